"""An event that is not collected and has to wait: a batch of one, with its start computed already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pipeline_triggers.batches.models import Batch, Target, Ticket
from pipeline_triggers.batches.rules import digest
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.slots import ask_for_turns, know
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.models import Run


@dataclass(frozen=True, slots=True)
class Queued:
    """Where a start waits. ``is_new`` is False when it waited before, ``same_message`` whether for this message.

    ``end`` is the final verdict, if there is one.
    """

    batch: str
    is_new: bool
    same_message: bool = True
    end: Mapping[str, str] | None = None


def queue(run: Run, trigger: str, same: int, message: str, services: Services, *, skip: bool = False) -> Queued:
    """Let a start wait for its turn; ``skip`` does not wait for a limit, but for a pause.

    The start's token identifies it, so that a redelivery finds what it queued before.
    """
    target = Target(run.pipeline, same)
    id_ = digest("single", run.token)
    know(run.pipeline, services)
    ticket = Ticket(target, trigger, id_, int(services.now() * 1000), run=asdict(run), skip=skip)
    try:
        services.store.add_single(Batch(id_, trigger, "", (target,)), ticket, message)
    except Changed:
        before = services.store.single(id_)
        if before is None:
            raise  # another delivery is writing it
        ask_for_turns([run.pipeline], services)
        return Queued(id_, is_new=False, same_message=before[0] == message, end=before[1] or None)
    ask_for_turns([run.pipeline], services)
    return Queued(id_, is_new=True)
