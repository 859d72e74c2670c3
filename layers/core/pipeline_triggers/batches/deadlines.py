"""A deadline → MISSED for each batch that lacks parts: exactly once, also where no event came at all."""

from __future__ import annotations

from pipeline_triggers.batches import rules
from pipeline_triggers.batches.decision import LEFT_ALONE
from pipeline_triggers.batches.models import Last, Slot
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.slots import make_due, report_missed
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.batches.writing import carried_out
from pipeline_triggers.errors import Rejected, Waiting


class TooEarly(Waiting):
    """A deadline is judged a minute late; ``seconds`` are left until then."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(f"the deadline is judged in {seconds} s")


def judge(trigger: str, scheduled: str, at: float, services: Services) -> None:
    """Report what is missing at a deadline with a cron; ``scheduled`` is its time as text, ``at`` in Unix seconds.

    Raises:
        TooEarly: events that came in time may still be on their way.
        Rejected: what a batch expects can't be computed; all others are judged.

    """
    late = services.now() - at
    if late < rules.DEADLINE_GRACE:
        raise TooEarly(int(rules.DEADLINE_GRACE - late) + 1)
    expected = services.documents.expected(trigger, scheduled)
    keys = {rules.slot_key(trigger, by): by for by in expected}
    slots, lasts = services.store.slots(list(keys))
    wrong: Rejected | None = None
    for key, by in keys.items():
        slot, parts = slots.get(key), expected[by]
        if isinstance(parts, Rejected):
            wrong = parts
            continue
        missing = _missing(parts, slot, lasts.get(key))
        if missing:
            _miss(key, trigger, by, missing, services)
            if slot and slot.opened_at <= at:
                _start_incomplete(slot, services)
    if wrong:
        raise wrong


def _missing(expect: tuple[str, ...] | int, slot: Slot | None, last: Last | None) -> tuple[str, ...] | int:
    """Return what neither the batch that was sealed last nor the open one has; an open batch keeps its rules."""
    missing = [rules.lacking(expect, frozenset())]
    if last:
        missing.append(rules.lacking(last.expect, last.parts))
    if slot:
        missing.append(rules.missing(slot))
    return min(missing, key=lambda parts: parts if isinstance(parts, int) else len(parts))


def _miss(key: str, trigger: str, by: str, missing: tuple[str, ...] | int, services: Services) -> None:
    """Note, report, note that it was reported: a crash in between is made up for when the message comes again."""
    now = services.now()
    try:
        services.records.miss(key, now)
    except Changed as changed:
        before = services.records.missed(key)
        if before is None:
            raise Waiting("another delivery is reporting the deadline; retrying") from changed
        at, reported = before
        if reported:
            return
        if now - at <= LEFT_ALONE:
            raise Waiting("another delivery is reporting the deadline; retrying") from changed
        services.records.miss_again(key, at, now)
    report_missed(trigger, by, missing, services)
    carried_out(services, lambda: services.records.miss_reported(key))


def _start_incomplete(slot: Slot, services: Services) -> None:
    targets = services.documents.targets(slot.trigger)
    if slot.rules.start_incomplete and not slot.previous and not slot.is_due and targets:
        make_due(slot, targets, "deadline", services)
