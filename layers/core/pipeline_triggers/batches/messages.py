"""What ``on_batch`` gets, one message at a time: a sweep, a pipeline, a slot, a deadline, an end, a command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipeline_triggers.batches import commands, items, pauses, rules
from pipeline_triggers.batches.deadlines import judge
from pipeline_triggers.batches.decision import LEFT_ALONE
from pipeline_triggers.batches.models import Phase, Ticket
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.slots import ask_for_turns, visit
from pipeline_triggers.batches.store import KEPT_BATCHES
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.batches.turns import take_turns
from pipeline_triggers.batches.writing import carried_out
from pipeline_triggers.errors import Rejected

SWEPT_WITHIN = 120  # seconds; an older sweep has been overtaken by the next one
MOST_OLD = 20  # batches that one sweep deletes


def process(message: Mapping[str, Any], services: Services) -> str:
    """Process one message, and return what is still waited for.

    Raises:
        Waiting: it can't be done now; deliver it again.
        Rejected: it is not one of these, or its deadline can't be computed.

    """
    match message:
        case {"sweep": str(scheduled)}:
            sweep(_seconds(scheduled), services)
        case {"pipeline": str(name), "ended": str(execution)}:
            return execution_ended(name, execution, services)
        case {"pipeline": str(name)}:
            return take_turns(name, services)
        case {"slot": str(key)}:
            visit(key, services)
        case {"deadline": str(trigger), "scheduled": str(scheduled)}:
            judge(trigger, scheduled, _seconds(scheduled), services)
        case {"close": str(batch)}:
            commands.close(batch, services)
        case {"drop": str(batch), "reason": str(reason)}:
            commands.drop(batch, reason, services)
        case {"ticket": dict(ticket)}:
            queue_again(items.ticket(ticket), services)
        case _:
            raise Rejected(f"not a message of on_batch: {sorted(message)}")
    return ""


def is_repeated(message: Mapping[str, Any]) -> bool:
    """Whether the sweep asks for the same each minute; a deadline, a command and a dead letter come once."""
    return message.keys().isdisjoint({"deadline", "close", "drop", "ticket"})


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def sweep(scheduled: float, services: Services) -> None:
    """Ask for a visit of each slot that has something to do, and of each pipeline; the rest is up to those."""
    now = services.now()
    if now - scheduled > SWEPT_WITHIN:
        return
    slots: list[dict[str, str]] = []
    for slot in services.store.open_slots():
        deployed = services.documents.targets(slot.trigger) is not None
        if deployed and rules.is_abandoned(slot, now):
            days = rules.MAX_INCOMPLETE // (24 * 3600)
            slots.append({"drop": slot.id, "reason": f"incomplete {days} days after its last event or deadline"})
        elif rules.is_to_visit(slot, now, deployed=deployed, time_out=LEFT_ALONE):
            slots.append({"slot": slot.key})
    pipelines = [{"pipeline": pipeline.name} for pipeline in services.store.pipelines()]
    services.outside.send(slots + pipelines)
    pauses.lift(services)
    discard_old(now, services)


def execution_ended(pipeline: str, execution: str, services: Services) -> str:
    """Forget an execution of ours, and see whose turn it is."""
    for turn in services.store.turns(pipeline):
        # SageMaker may lower-case ARNs.
        if turn.phase is Phase.RUNNING and turn.execution.lower() == execution.lower():
            try:
                services.store.forget(turn)
            except Changed:
                break  # another function was faster
    return take_turns(pipeline, services)


def queue_again(ticket: Ticket, services: Services) -> None:
    """Let a start that was rejected wait for its turn again, as its dead letter asks when it is redriven."""
    again = replace(ticket, gone_since=0, tries=0, forced=False)
    carried_out(services, lambda: services.store.requeue(again))
    ask_for_turns([ticket.target.pipeline], services)


def discard_old(now: float, services: Services) -> None:
    """Delete batches with their members 90 days after they were sealed, unless something still needs them."""
    for entry, id_, key in services.records.old(now - KEPT_BATCHES, MOST_OLD):
        batch = services.store.batch(id_)
        slots, lasts = services.store.slots([key])
        corrected = key in slots or (key in lasts and lasts[key].id != id_ and _is_open(lasts[key].id, services))
        if batch and (corrected or not rules.has_ended(batch)):
            services.records.postpone(entry, id_, key, now)
        else:
            services.records.discard(entry, id_, key)


def _is_open(batch: str, services: Services) -> bool:
    found = services.store.batch(batch)
    return found is not None and not rules.has_ended(found)
