"""The events of an SQS batch → their batches: one transaction per slot, whatever others do to it meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pipeline_triggers.batches import rules
from pipeline_triggers.batches.models import MAX_EVENTS, Event, Last, Late, Slot
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.slots import make_due, sealed
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.batches.writing import MOST_ATTEMPTS, carried_out, rest

# A transaction holds 100 items and 4 MB: the slot, the last sealed batch, and two for each event.
MOST_AT_ONCE, MOST_BYTES_AT_ONCE = 49, 3_000_000


class Joining(StrEnum):
    """What became of an event that was to be collected."""

    COLLECTED = "COLLECTED"
    DUPLICATE = "DUPLICATE"  # another message brought it before
    FILTERED = "FILTERED"  # it came after its batch was sealed, and the trigger ignores those
    REJECTED = "REJECTED"  # its batch takes no more events
    RETRY = "RETRY"  # not now; SQS delivers it again


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of one event; ``batch`` where it is now, ``error`` what failed where it is to be retried."""

    joining: Joining
    batch: str = ""
    reason: str = ""
    error: Exception | None = None


def collect(events: Sequence[Event], services: Services) -> list[Joined]:
    """Join events to their batches, and return for each in order what became of it.

    A failure of one slot leaves the events of the others alone.
    """
    groups: dict[str, dict[str, Event]] = {}
    for event in events:
        # One item twice would cancel the transaction: a group holds each event once.
        groups.setdefault(_key(event), {}).setdefault(event.mark, event)
    try:
        slots, lasts = services.store.slots(list(groups))
    except Exception as error:  # all messages are retried
        return [Joined(Joining.RETRY, error=error) for _ in events]
    results: dict[tuple[str, str], Joined] = {}
    for key, group in groups.items():
        joining = _Group(key, list(group.values()), services)
        try:
            joining.join(slots.get(key), lasts.get(key))
        except Exception as error:  # the messages of this slot are retried, the others are not
            joining.fail(error)
        results |= {(key, mark): joined for mark, joined in joining.results.items()}
    return [_of_message(event, groups[_key(event)][event.mark], results[_key(event), event.mark]) for event in events]


def _key(event: Event) -> str:
    return rules.slot_key(event.trigger, event.by, dry_run=event.rules.dry_run)


def _of_message(event: Event, first: Event, joined: Joined) -> Joined:
    """Return what to say of an event: the second message that brings it brings a duplicate."""
    if joined.joining is Joining.COLLECTED and event.message != first.message:
        return replace(joined, joining=Joining.DUPLICATE)
    return joined


class _Group:
    """The events of one slot, as they are joined."""

    def __init__(self, key: str, events: list[Event], services: Services) -> None:
        self._key = key
        self._waiting = events
        self._services = services
        self.results: dict[str, Joined] = {}

    def fail(self, error: Exception) -> None:
        """Let SQS deliver again what was not joined."""
        self._end(self._waiting, Joined(Joining.RETRY, error=error))

    def join(self, slot: Slot | None, last: Last | None) -> None:
        """Join all, chunk by chunk; what was read is read again whenever it proves to be old."""
        for attempt in range(MOST_ATTEMPTS + len(self._waiting)):
            if not self._waiting:
                return
            try:
                if not self._step(slot, last):
                    return
            except Changed as changed:
                self._drop_joined(changed)
                if "TransactionConflict" in changed.codes:
                    rest(self._services, attempt)
            if not self._waiting:
                return
            slots, lasts = self._services.store.slots([self._key])
            slot, last = slots.get(self._key), lasts.get(self._key)
        self._end(self._waiting, Joined(Joining.RETRY, reason="other deliveries are changing the same batch"))

    def _step(self, slot: Slot | None, last: Last | None) -> bool:
        """Join what fits, or make room; False: nothing more can be joined."""
        if slot is None:
            if last and self._waiting[0].rules.late is Late.IGNORE:
                return self._refuse(Joining.FILTERED, f"late: batch {last.id} was sealed before it came")
            self._open(last)
        elif rules.room(slot) <= 0:
            if slot.rules.is_join:
                return self._refuse(Joining.REJECTED, f"batch {slot.id} holds {slot.count} events, the most it can")
            self._close(slot)
        else:
            self._join(slot)
        return True

    def _open(self, last: Last | None) -> None:
        chunk = self._chunk(MAX_EVENTS)
        now = self._services.now()
        corrects = last if last and chunk[0].rules.late is Late.ALL else None
        opening = chunk[0].rules
        opened = Slot(
            key=self._key,
            # The same for each attempt of this event, and of no other.
            id=rules.digest("batch", chunk[0].mark),
            trigger=chunk[0].trigger,
            by=chunk[0].by,
            rules=replace(opening, expect=corrects.expect) if corrects else opening,
            count=len(chunk),
            stored=sum(event.size for event in chunk),
            parts=frozenset(),
            opened_at=int(now),
            last_at=int(now),
            revision=corrects.revision + 1 if corrects else 1,
            previous=corrects.id if corrects else "",
            inherited=corrects.parts if corrects else frozenset(),
        )
        slot = replace(opened, parts=rules.expected(opened, chunk))
        self._services.store.open(slot, last, chunk, now)
        self._joined(chunk, slot)

    def _join(self, slot: Slot) -> None:
        chunk = self._chunk(rules.room(slot))
        now = self._services.now()
        self._services.store.join(slot, chunk, rules.most(slot), now)
        parts = slot.parts | rules.expected(slot, chunk)
        size = slot.stored + sum(event.size for event in chunk)
        count = slot.count + len(chunk)
        self._joined(chunk, replace(slot, count=count, stored=size, parts=parts, last_at=int(now)))

    def _chunk(self, room: int) -> list[Event]:
        most = min(room, MOST_AT_ONCE, self._waiting[0].rules.max_events)
        chunk: list[Event] = []
        for event in self._waiting[:most]:
            if chunk and sum(one.size for one in chunk) + event.size > MOST_BYTES_AT_ONCE:
                break
            chunk.append(event)
        return chunk

    def _joined(self, chunk: list[Event], slot: Slot) -> None:
        """Note where the events are; ``on_batch`` looks at once at a batch that is due, and otherwise each minute."""
        self._end(chunk, Joined(Joining.COLLECTED, slot.id))
        if not slot.is_due and rules.why_due(slot, self._services.now()):
            self._services.outside.send([{"slot": self._key}])

    def _close(self, slot: Slot) -> None:
        """Seal a full batch, so that the next event opens the next one."""
        services = self._services
        if not slot.is_due:
            targets = services.documents.targets(slot.trigger)
            if targets:
                make_due(slot, targets, "full", services)
        elif not carried_out(services, lambda: services.store.seal(slot, sealed(slot), services.now())):
            rest(services, 1)

    def _drop_joined(self, changed: Changed) -> None:
        """End what was joined before: its mark is why a transaction was cancelled."""
        if "ConditionalCheckFailed" not in changed.codes:
            return
        marks = self._services.store.marks([event.mark for event in self._waiting])
        for event in list(self._waiting):
            if mark := marks.get(event.mark):
                same = mark.message == event.message
                self._end([event], Joined(Joining.COLLECTED if same else Joining.DUPLICATE, mark.batch))

    def _refuse(self, joining: Joining, reason: str) -> bool:
        """End what can't be joined, unless it was joined before."""
        self._drop_joined(Changed(["ConditionalCheckFailed"]))
        self._end(self._waiting, Joined(joining, reason=reason))
        return False

    def _end(self, events: list[Event], joined: Joined) -> None:
        self.results |= {event.mark: joined for event in events}
        marks = {event.mark for event in events}
        self._waiting = [event for event in self._waiting if event.mark not in marks]
