"""An open batch → due, missed, or rejected: one step at a time, each decided by ``rules``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pipeline_triggers.batches import rules
from pipeline_triggers.batches.decision import LEFT_ALONE, LONGEST_EXECUTION
from pipeline_triggers.batches.models import Batch, Slot, Target, Ticket
from pipeline_triggers.batches.services import Notice, Services
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.batches.writing import MOST_ATTEMPTS, carried_out, rest
from pipeline_triggers.errors import Waiting

# Stands for the pipelines of a batch whose trigger was removed before it became due.
NO_PIPELINE = Target("unknown")


def visit(key: str, services: Services) -> None:
    """Let an open batch become due, report what its deadline finds missing, or reject it with its removed trigger."""
    slot = services.store.slot(key)
    if slot is None or slot.is_due:
        return
    now = services.now()
    targets = services.documents.targets(slot.trigger)
    if targets is None:
        _visit_removed(slot, now, services)
        return
    if slot.gone_since:
        carried_out(services, partial(services.store.mark_slot, slot, gone_since=0))
        return
    if rules.is_missed(slot, now) or slot.missed:
        slot = _miss(slot, now, services)
    if why := rules.why_due(slot, now):
        make_due(slot, targets, why, services)


def _visit_removed(slot: Slot, now: float, services: Services) -> None:
    if not slot.gone_since:
        carried_out(services, lambda: services.store.mark_slot(slot, gone_since=int(now)))
    elif now - slot.gone_since >= rules.GONE_FOR:
        make_due(slot, (NO_PIPELINE,), "trigger removed", services)


def _miss(slot: Slot, now: float, services: Services) -> Slot:
    """Note first that a deadline was missed, so that it is reported once; then report; then note that it was."""
    if slot.reported or (slot.missed and now - slot.missed <= LEFT_ALONE):
        return slot
    missed = int(now)
    if not carried_out(services, lambda: services.store.mark_slot(slot, missed=missed)):
        return slot
    current = services.store.slot(slot.key)
    if current is None or current.id != slot.id:
        return slot
    report_missed(slot.trigger, slot.by, rules.missing(slot), services, batch=slot.id)
    carried_out(services, lambda: services.store.mark_slot(current, reported=True))
    return services.store.slot(slot.key) or current


def report_missed(
    trigger: str, by: str, missing: tuple[str, ...] | int, services: Services, *, batch: str = ""
) -> None:
    """Report which parts did not come before the deadline."""
    parts = f"{missing} parts" if isinstance(missing, int) else ", ".join(missing)
    reason, id_ = f"missing at the deadline: {parts}", f"missed#{trigger}#{rules.digest(by)}#{batch}"
    services.outside.report(Notice("MISSED", trigger, batch, by, reason=reason, id=id_))


def make_due(slot: Slot, targets: Sequence[Target], why: str, services: Services, *, forced: bool = False) -> bool:
    """Put a batch into the queues of its pipelines, and let their turns be looked at; False: it was too late."""
    now = services.now()
    for target in targets:
        know(target.pipeline, services)
    tickets = [replace(ticket, forced=forced) for ticket in tickets_of(slot, targets, now)]
    if not carried_out(services, lambda: services.store.make_due(slot, tickets, why)):
        return False
    ask_for_turns([target.pipeline for target in targets], services)
    return True


def know(pipeline: str, services: Services) -> None:
    """Let the sweep visit a pipeline; of its executions none is older than SageMaker lets one run."""
    if services.store.pipeline(pipeline) is None:
        services.store.know(pipeline, services.now() - LONGEST_EXECUTION)


def ask_for_turns(pipelines: Sequence[str], services: Services) -> None:
    """Let ``on_batch`` look whose turn it is."""
    services.outside.send([{"pipeline": pipeline} for pipeline in dict.fromkeys(pipelines)])


def tickets_of(slot: Slot, targets: Sequence[Target], now: float) -> list[Ticket]:
    """Return a ticket for each pipeline of a batch that becomes due."""
    return [
        Ticket(
            target,
            slot.trigger,
            slot.id,
            ready_ms=int(now * 1000),
            by=slot.by,
            slot=slot.key,
            dry_run=slot.rules.dry_run,
            gone_since=slot.gone_since,
        )
        for target in targets
    ]


def sealed(slot: Slot) -> Batch:
    """Return the batch that the slot becomes."""
    return Batch(
        slot.id,
        slot.trigger,
        slot.by,
        slot.targets,
        revision=slot.revision,
        previous=slot.previous,
        expect=slot.rules.expect,
    )


def seal(batch: str, key: str, services: Services) -> Batch:
    """Seal a batch that is due, unless that is done, and return it.

    Raises:
        Waiting: events join it faster than it can be sealed.

    """
    for attempt in range(MOST_ATTEMPTS):
        if done := services.store.batch(batch):
            return done
        slot = services.store.slot(key)
        if slot is not None and slot.id == batch:
            try:
                services.store.seal(slot, sealed(slot), services.now())
            except Changed:
                rest(services, attempt)
        elif attempt:
            raise Waiting("the batch is neither open nor sealed; retrying")
    raise Waiting("events join the batch faster than it can be sealed; retrying")
