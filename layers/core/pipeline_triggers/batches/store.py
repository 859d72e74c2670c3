"""Each step of a batch as one conditional write to BatchTable: what holds before it, and what holds after it.

pk / sk                       item
event#MARK / -                an event was seen; kept 30 days
open / TRIGGER#HASH           the slot of a trigger and a ``by``: the batch that takes their events
batch#ID / member#MARK        an event of the batch; written with its mark and the slot, in one transaction
batch#ID / batch              the sealed batch, with the final verdict per pipeline
queue#PIPELINE / TRIGGER#…    a ticket; …: when it became due, the batch, the target
running#PIPELINE / ID#…       a ticket whose turn has come, until its execution is known to have ended
pipelines / PIPELINE          its version, which each turn raises, and our latest starts
last / TRIGGER#HASH           the join that was sealed last
missed / TRIGGER#HASH         a deadline that found parts missing was reported
paused / KIND#NAME            a pause
kept / TIME#ID                what to delete when the batch is old
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pipeline_triggers.batches import items, rules
from pipeline_triggers.batches.models import (
    Batch,
    Ending,
    Event,
    Last,
    Mark,
    Member,
    Phase,
    Pipeline,
    Slot,
    Ticket,
    Turn,
)
from pipeline_triggers.batches.table import Changed, Table

KEPT_MARKS = 30 * 24 * 3600  # seconds; longer than a message lives in its queue, the dead-letter queue and again
KEPT_BATCHES = 90 * 24 * 3600  # seconds

ABSENT = "attribute_not_exists(#pk)"
SAME = "#id = :id"


class Store:
    """BatchTable, step by step; each step is a transaction that raises ``Changed`` when it came too late."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # ---- Events join

    def slots(self, keys: Sequence[str]) -> tuple[dict[str, Slot], dict[str, Last]]:
        """Return the open batches and the last sealed joins, by slot."""
        found = self._table.get_all([(pk, key) for key in keys for pk in ("open", "last")])
        return (
            {sk: items.slot(item) for (pk, sk), item in found.items() if pk == "open"},
            {sk: items.last(item) for (pk, sk), item in found.items() if pk == "last"},
        )

    def marks(self, marks: Sequence[str]) -> dict[str, Mark]:
        """Return where events went that were seen before."""
        found = self._table.get_all([(f"event#{mark}", "-") for mark in marks])
        seen = {pk.removeprefix("event#"): item for (pk, _), item in found.items()}
        return {mark: Mark(item["batch"], item["message"]) for mark, item in seen.items()}

    def open(self, slot: Slot, last: Last | None, events: Sequence[Event], now: float) -> None:
        """Open a batch with its first events; of a join only if ``last`` is still the last one."""
        changes = [self._table.put(items.of_slot(slot), ABSENT), *self._joining(slot.id, events, now)]
        if slot.rules.is_join:
            condition = SAME if last else ABSENT
            changes.append(self._table.check("last", slot.key, condition, id=last.id if last else ""))
        self._table.write(*changes)

    def join(self, slot: Slot, events: Sequence[Event], most: int, now: float) -> None:
        """Add events to an open batch, as long as it has room for all of them."""
        parts = rules.expected(slot, events)
        update = "SET #count = #count + :more, #stored = #stored + :size, #last_at = :now"
        change = self._table.update(
            "open",
            slot.key,
            update + (" ADD #parts :parts" if parts else ""),
            f"{SAME} AND #count <= :most",
            id=slot.id,
            most=most - len(events),
            more=len(events),
            size=sum(event.size for event in events),
            now=int(now),
            parts=set(parts),
        )
        self._table.write(change, *self._joining(slot.id, events, now))

    def _joining(self, batch: str, events: Sequence[Event], now: float) -> Iterator[dict[str, Any]]:
        for event in events:
            yield self._mark(batch, event, now)
            yield self._table.put(items.of_member(batch, event), ABSENT)

    def _mark(self, batch: str, event: Event, now: float) -> dict[str, Any]:
        mark = {"pk": f"event#{event.mark}", "sk": "-", "batch": batch, "message": event.message}
        return self._table.put({**mark, "expires": int(now) + KEPT_MARKS}, ABSENT)

    # ---- A batch becomes due, and is sealed

    def open_slots(self) -> Iterator[Slot]:
        """Return all open batches."""
        return map(items.slot, self._table.query("open"))

    def slot(self, key: str) -> Slot | None:
        """Return an open batch."""
        item = self._table.get("open", key)
        return items.slot(item) if item else None

    def make_due(self, slot: Slot, tickets: Sequence[Ticket], why: str) -> None:
        """Put a batch into the queues of its pipelines; it still takes events."""
        targets = items.of_targets(tuple(ticket.target for ticket in tickets))
        due = self._table.update(
            "open",
            slot.key,
            "SET #targets = :targets, #due_ms = :due, #why = :why",
            f"{SAME} AND attribute_not_exists(#targets)",
            id=slot.id,
            targets=targets,
            due=tickets[0].ready_ms,
            why=why,
        )
        self._table.write(due, *(self._queued(ticket) for ticket in tickets))

    def _queued(self, ticket: Ticket) -> dict[str, Any]:
        pk, sk = items.ticket_key(ticket)
        return self._table.put({"pk": pk, "sk": sk, **items.of_ticket(ticket)}, ABSENT)

    def seal(self, slot: Slot, batch: Batch, now: float) -> None:
        """Let a batch take no more events; of a join also remember which parts it had.

        The parts of a join must be those as read, hence its count; any other batch may still grow until now.
        """
        as_read = f"{SAME} AND {'attribute_exists' if slot.is_due else 'attribute_not_exists'}(#targets)"
        changes = [
            self._table.delete(
                "open",
                slot.key,
                as_read + (" AND #count = :count" if slot.rules.is_join else ""),
                id=slot.id,
                count=slot.count,
            ),
            self._table.put(items.of_batch(batch), ABSENT),
            self._table.put({"pk": "kept", "sk": f"{int(now):013d}#{batch.id}", "slot": slot.key}),
        ]
        if slot.rules.is_join:
            about = {"id": slot.id, "revision": slot.revision, "expect": items.of_rules(slot.rules)["expect"]}
            parts = set(slot.parts | slot.inherited)
            last = {"pk": "last", "sk": slot.key, **about, **({"parts": parts} if parts else {})}
            changes.append(self._table.put(last))
        self._table.write(*changes)

    def drop(self, slot: Slot, batch: Batch, turns: Sequence[Turn], now: float) -> None:
        """End a batch that is not due, for all of its pipelines at once."""
        ended = {turn.ticket.target.key: _end(Ending(turn.ending), turn.reason, now) for turn in turns}
        self._table.write(
            self._table.delete("open", slot.key, f"{SAME} AND attribute_not_exists(#targets)", id=slot.id),
            self._table.put(items.of_batch(replace(batch, ends=ended)), ABSENT),
            self._table.put({"pk": "kept", "sk": f"{int(now):013d}#{batch.id}", "slot": slot.key}),
            *(self._table.put(items.of_turn(turn), ABSENT) for turn in turns),
        )

    def mark_slot(self, slot: Slot, **values: int) -> None:
        """Note something about an open batch that changes nothing for its events, if that is still as read."""
        changes = ", ".join(f"#{name} = :{name}" for name in values)
        as_read = " AND ".join(f"#{name} = :old_{name}" for name in values)
        old = {f"old_{name}": getattr(slot, name) for name in values}
        condition = f"{SAME} AND {as_read}"
        self._table.write(
            self._table.update("open", slot.key, f"SET {changes}", condition, id=slot.id, **values, **old)
        )

    # ---- What is in a batch

    def batch(self, id_: str) -> Batch | None:
        """Return a sealed batch."""
        item = self._table.get(f"batch#{id_}", "batch")
        return items.batch(item) if item else None

    def members(self, id_: str) -> Iterator[Member]:
        """Return the events of a batch; after it is sealed these are all."""
        return map(items.member, self._table.query(f"batch#{id_}", prefix="member#"))

    def chain(self, batch: Batch) -> Iterator[Member]:
        """Return the events of a batch and, for a correction, of all batches that it corrects."""
        before: Batch | None = batch
        while before:
            yield from self.members(before.id)
            before = self.batch(before.previous) if before.previous else None

    def note_files(self, batch: Batch, files: Mapping[str, str]) -> None:
        """Note what the executions of a batch read, unless that is noted already."""
        condition = "attribute_exists(#pk) AND attribute_not_exists(#files)"
        self._table.write(
            self._table.update(f"batch#{batch.id}", "batch", "SET #files = :files", condition, files=dict(files))
        )

    # ---- Tickets wait

    def add_single(self, batch: Batch, ticket: Ticket, message: str) -> None:
        """Put an event that is not collected into the queue of one pipeline, as a batch of its own."""
        batch_item = {**items.of_batch(batch), "message": message}
        self._table.write(self._table.put(batch_item, ABSENT), self._queued(ticket))

    def single(self, id_: str) -> tuple[str, Mapping[str, str]] | None:
        """Return which SQS message brought an event that is not collected, and how it ended, if it did."""
        item = self._table.get(f"batch#{id_}", "batch")
        return (item["message"], next(iter(item["ends"].values()), {})) if item else None

    def know(self, pipeline: str, ended_before: float) -> None:
        """Let the sweep visit a pipeline from now on."""
        item = {"pk": "pipelines", "sk": pipeline, "version": 0, "starts": {}, "ended_before": int(ended_before)}
        try:
            self._table.write(self._table.put(item, ABSENT))
        except Changed as changed:
            if "TransactionConflict" in changed.codes:
                raise

    def pipelines(self) -> Iterator[Pipeline]:
        """Return all pipelines that ever had a ticket."""
        return map(items.pipeline, self._table.query("pipelines"))

    def pipeline(self, name: str) -> Pipeline | None:
        """Return a pipeline's version and starts."""
        item = self._table.get("pipelines", name)
        return items.pipeline(item) if item else None

    def heads(self, pipeline: str) -> list[Ticket]:
        """Return the first ticket of each trigger in a pipeline's queue."""
        heads: list[Ticket] = []
        pk = f"queue#{pipeline}"
        after = ""
        while item := next(self._table.query(pk, after=after, most=1), None):
            heads.append(items.ticket(item))
            after = f"{heads[-1].trigger}#~"  # past the trigger's digits
        return heads

    def tickets(self, pipeline: str) -> Iterator[Ticket]:
        """Return all that waits at a pipeline."""
        return map(items.ticket, self._table.query(f"queue#{pipeline}"))

    def mark_ticket(self, ticket: Ticket, gone_since: int) -> None:
        """Note since when no document names the ticket's start; 0: one does."""
        pk, sk = items.ticket_key(ticket)
        change = "SET #gone_since = :gone" if gone_since else "REMOVE #gone_since"
        self._table.write(self._table.update(pk, sk, change, "attribute_exists(#pk)", gone=gone_since))

    def force(self, ticket: Ticket) -> None:
        """Put a ticket in front of its trigger's others, past interval and daily limit."""
        pk, sk = items.ticket_key(ticket)
        forced = replace(ticket, forced=True)
        self._table.write(self._table.delete(pk, sk, "attribute_exists(#pk)"), self._queued(forced))

    # ---- Turns

    def turns(self, pipeline: str) -> list[Turn]:
        """Return the tickets whose turn has come and that may count as running, or are to be ended."""
        return [items.turn(item) for item in self._table.query(f"running#{pipeline}")]

    def begin(self, turn: Turn, pipeline: Pipeline, *, counted: bool, forget: Sequence[str] = ()) -> None:
        """Take a ticket's turn, if the pipeline is still as read; ``counted`` starts are remembered by time."""
        pk, sk = items.ticket_key(turn.ticket)
        gone = {f"id_{number}": attempt for number, attempt in enumerate(forget)}
        update = "SET #version = #version + :one" + (", #starts.#id_new = :now" if counted else "")
        removed = ", ".join(f"#starts.#{name}" for name in gone)
        self._table.write(
            self._table.delete(pk, sk, "attribute_exists(#pk)"),
            self._table.put(items.of_turn(turn), ABSENT),
            self._table.update(
                "pipelines",
                pipeline.name,
                update + (f" REMOVE {removed}" if removed else ""),
                "#version = :version",
                version=pipeline.version,
                one=1,
                id_new=turn.nonce,
                now=turn.tried,
                **gone,
            ),
        )

    def undo(self, turn: Turn, *, crashed: bool) -> None:
        """Put a ticket back where it was, whose start was not made; only crashes in a row are counted."""
        back = replace(turn.ticket, tries=turn.ticket.tries + 1 if crashed else 0)
        self._table.write(self._gone(turn), self._queued(back), self._uncounted(turn))

    def unanswered(self, turn: Turn) -> None:
        """Note that a function ended in order, without knowing whether the start was made."""
        pk, sk = items.turn_key(turn.ticket)
        as_read = "#phase = :phase AND #nonce = :nonce"
        update = "SET #unanswered = :yes"
        change = self._table.update(pk, sk, update, as_read, yes=True, phase=str(turn.phase), nonce=turn.nonce)
        self._table.write(change)

    def _gone(self, turn: Turn) -> dict[str, Any]:
        pk, sk = items.turn_key(turn.ticket)
        return self._table.delete(pk, sk, "#phase = :phase AND #nonce = :nonce", phase=turn.phase, nonce=turn.nonce)

    def _uncounted(self, turn: Turn) -> dict[str, Any]:
        update = "SET #version = #version + :one REMOVE #starts.#id_mine"
        name = turn.ticket.target.pipeline
        return self._table.update("pipelines", name, update, "attribute_exists(#pk)", one=1, id_mine=turn.nonce)

    def finish(self, turn: Turn, execution: str, now: float, *, track: bool) -> None:
        """Note the execution of a start; ``track`` keeps the turn until the execution ends."""
        pk, sk = items.turn_key(turn.ticket)
        as_read = {"phase": turn.phase, "nonce": turn.nonce}
        if track:
            started = "SET #phase = :running, #execution = :execution"
            condition = "#phase = :phase AND #nonce = :nonce"
            running = str(Phase.RUNNING)
            change = self._table.update(pk, sk, started, condition, running=running, execution=execution, **as_read)
        else:
            change = self._gone(turn)
        end = {"outcome": str(Ending.STARTED), "execution": execution, "at": str(int(now))}
        self._table.write(change, self._ended(turn.ticket, end, now))

    def _ended(self, ticket: Ticket, end: Mapping[str, str], now: float) -> dict[str, Any]:
        """Note the final verdict for one pipeline; the only one of a batch of one ends that batch."""
        expires = ", #expires = :expires" if ticket.run is not None else ""
        return self._table.update(
            f"batch#{ticket.batch}",
            "batch",
            f"SET #ends.#id_target = :end{expires}",
            "attribute_exists(#pk) AND attribute_not_exists(#ends.#id_target)",
            id_target=ticket.target.key,
            end=dict(end),
            expires=int(now) + KEPT_BATCHES,
        )

    def end_turn(self, turn: Turn, ending: Ending, reason: str, now: float) -> Turn:
        """Note that a turn ends without a start; what follows from it comes after this."""
        ended = replace(turn, phase=Phase.ENDING, ending=str(ending), reason=reason, tried=int(now))
        pk, sk = items.turn_key(turn.ticket)
        update = "SET #phase = :ending_phase, #ending = :ending, #reason = :reason, #tried = :tried"
        change = self._table.update(
            pk,
            sk,
            update,
            "#phase = :phase AND #nonce = :nonce",
            ending_phase=str(Phase.ENDING),
            ending=str(ending),
            reason=reason,
            tried=int(now),
            phase=str(turn.phase),
            nonce=turn.nonce,
        )
        self._table.write(change, self._uncounted(turn), self._ended(turn.ticket, _end(ending, reason, now), now))
        return ended

    def end_ticket(self, turn: Turn, now: float) -> None:
        """End a ticket whose turn never came; the turn says how."""
        pk, sk = items.ticket_key(turn.ticket)
        self._table.write(
            self._table.delete(pk, sk, "attribute_exists(#pk)"),
            self._table.put(items.of_turn(turn), ABSENT),
            self._ended(turn.ticket, _end(Ending(turn.ending), turn.reason, now), now),
        )

    def forget(self, turn: Turn) -> None:
        """Delete a turn that no longer counts."""
        self._table.write(self._gone(turn))

    def ended_before(self, pipeline: str, at: int) -> None:
        """Note that no execution from before a time is still going."""
        update = "SET #ended_before = :at"
        self._table.write(self._table.update("pipelines", pipeline, update, "attribute_exists(#pk)", at=at))

    def requeue(self, ticket: Ticket) -> None:
        """Take back a rejection after a fix: the ticket waits again."""
        target = {"id_target": ticket.target.key, "rejected": str(Ending.REJECTED)}
        condition = "#ends.#id_target.#outcome = :rejected"
        batch = self._table.update(
            f"batch#{ticket.batch}", "batch", "REMOVE #ends.#id_target, #expires", condition, **target
        )
        self._table.write(batch, self._queued(ticket))


def _end(ending: Ending, reason: str, now: float) -> dict[str, str]:
    return {"outcome": str(ending), "reason": reason, "at": str(int(now))}
