"""When a batch closes, and what it lacks: pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from pipeline_triggers.batches.models import CORRECTION_QUIET, MAX_EVENTS, MAX_STORED_BYTES, Batch, Event, Slot

# A deadline is judged this much later, so that a backlog of events makes no false alarm.
DEADLINE_GRACE = 60  # seconds

GONE_FOR = 3600  # seconds without a deployed trigger until its batches are rejected

# How long an incomplete join waits after its last event, or after its deadline if that is later.
MAX_INCOMPLETE = 90 * 24 * 3600  # seconds


def slot_key(trigger: str, by: str, *, dry_run: bool = False) -> str:
    """Return the sort key of the slot for a trigger and a ``by`` of any length.

    A dry run has slots of its own, so that switching it off starts nothing that was only tried.
    """
    return f"{trigger}#{digest('dry run' if dry_run else '', by)}"


def digest(*words: str) -> str:
    """Return 32 letters that identify the words."""
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]


def why_due(slot: Slot, now: float) -> str:
    """Return why the batch is due, "" while it is not."""
    rules = slot.rules
    if slot.previous:
        return "quiet" if now - slot.last_at >= CORRECTION_QUIET else ""
    if rules.is_join:
        if not missing(slot):
            return "complete"
        return "deadline" if slot.missed and rules.start_incomplete else ""
    if is_full(slot):
        return "full"
    if now - slot.last_at >= rules.quiet:
        return "quiet"
    if rules.max_open is not None and now - slot.opened_at >= rules.max_open:
        return "open for max_open"
    return ""


def room(slot: Slot) -> int:
    """Return how many more events the batch may take."""
    if slot.stored >= MAX_STORED_BYTES:
        return 0
    return most(slot) - slot.count


def most(slot: Slot) -> int:
    """Return how many events the batch may hold."""
    return MAX_EVENTS if slot.rules.is_join else slot.rules.max_events


def is_full(slot: Slot) -> bool:
    """Whether the batch takes no more events."""
    return room(slot) <= 0


def missing(slot: Slot) -> tuple[str, ...] | int:
    """Return the names of the parts that have not come, or their number where the document gives a number."""
    return lacking(slot.rules.expect, slot.parts | slot.inherited)


def expected(slot: Slot, events: Sequence[Event]) -> frozenset[str]:
    """Return the parts of events that the batch still lacks, all that its slot keeps of them: the item stays small."""
    parts = frozenset(event.part for event in events if event.part)
    lacks = missing(slot)
    return parts & frozenset(lacks) if isinstance(lacks, tuple) else parts if lacks else frozenset()


def lacking(expect: tuple[str, ...] | int | None, parts: frozenset[str]) -> tuple[str, ...] | int:
    """Return the expected parts that are not among these: names, or a number where a number is expected."""
    if expect is None:
        return ()
    if isinstance(expect, int):
        return max(0, expect - len(parts))
    return tuple(name for name in expect if name not in parts)


def is_missed(slot: Slot, now: float) -> bool:
    """Whether the deadline of an incomplete join has passed that its opening set."""
    after = slot.rules.deadline_after
    if after is None or slot.previous or slot.is_due or not missing(slot):
        return False
    return now >= slot.opened_at + after + DEADLINE_GRACE


def is_abandoned(slot: Slot, now: float) -> bool:
    """Whether an incomplete join has waited so long that it will not become complete any more."""
    deadline = slot.opened_at + (slot.rules.deadline_after or 0)
    return not slot.is_due and bool(missing(slot)) and now - max(slot.last_at, deadline) >= MAX_INCOMPLETE


def is_to_visit(slot: Slot, now: float, *, deployed: bool, time_out: int) -> bool:
    """Whether the sweep has something to do about the slot."""
    if slot.is_due:
        return False
    if deployed == bool(slot.gone_since) or (not deployed and now - slot.gone_since >= GONE_FOR):
        return True
    unreported = slot.missed and not slot.reported and now - slot.missed >= time_out
    return bool(why_due(slot, now) or unreported or (is_missed(slot, now) and not slot.missed))


def has_ended(batch: Batch) -> bool:
    """Whether each pipeline of the batch has its final verdict."""
    return all(target.key in batch.ends for target in batch.targets)
