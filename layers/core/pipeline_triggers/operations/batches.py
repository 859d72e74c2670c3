"""The batches of a deployed stack: what is open, what waits and for what, what is paused; close one, drop one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.batches import decision, rules
from pipeline_triggers.batches.decision import Situation
from pipeline_triggers.batches.door import SageMaker
from pipeline_triggers.batches.models import CORRECTION_QUIET, Batch, Pause, Phase, Pipeline, Slot, Target, Ticket
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.store import Store
from pipeline_triggers.batches.table import Table
from pipeline_triggers.errors import PipelineTriggersError
from pipeline_triggers.models import Limits
from pipeline_triggers.operations.stacks import NotDeployed, Stack
from pipeline_triggers.text import span

SHOWN_ID = 8  # characters of a batch's id; enough for close and drop

TIME_TO_LIST = 60  # seconds, more than the pages of a pipeline's executions take

POLLED_EVERY = 1.0  # seconds between two looks at the table


class NoSuchBatch(PipelineTriggersError):
    """No batch that is open or waits has this id; the message says which do, or how it ended."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A batch that has not ended, at one pipeline; an open one is at none.

    ``state`` is open, waiting, paused or starting. ``since`` is when it opened or began to wait, in Unix seconds.
    ``events`` is None where the batch is sealed and holds more than one event. ``missing`` are the parts of a join that
    have not come: their names, or how many.
    """

    batch: str
    trigger: str
    state: str
    since: int
    reason: str
    by: str = ""
    pipeline: str = ""
    events: int | None = None
    missing: tuple[str, ...] | int = ()
    revision: int = 1


@dataclass(frozen=True, slots=True)
class Ended:
    """The final verdict of a batch for one pipeline."""

    pipeline: str
    outcome: str
    reason: str = ""


class Batches:
    """BatchTable of a deployed stack, as the commands read it. ``limits`` are those of the documents by pipeline."""

    def __init__(self, stack: Stack, limits: Mapping[str, Limits]) -> None:
        if "BatchTable" not in stack.resources:
            raise NotDeployed(f"stack {stack.name} has no BatchTable; deploy this version first")
        self._stack = stack
        self._limits = limits
        name = stack.resources["BatchTable"]
        table = Table(aws.dynamodb(), name)
        self.store = Store(table)
        self.records = Records(table)

    def entries(self, now: float) -> list[Entry]:
        """Return all batches that have not ended: the open ones by age, then each pipeline's in the order of its queue.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

        """
        slots = {slot.id: slot for slot in self.store.open_slots()}
        pauses = self.records.pauses()
        entries = [_open(slot, now) for slot in slots.values() if not slot.is_due]
        entries.sort(key=lambda entry: entry.since)
        for pipeline in self.store.pipelines():
            entries += self._at(pipeline, slots, pauses, now)
        return entries

    def _at(
        self, pipeline: Pipeline, slots: Mapping[str, Slot], pauses: Sequence[Pause], now: float
    ) -> Iterator[Entry]:
        """Give what a pipeline is about to start, and what waits for its turn there."""
        tickets = list(self.store.tickets(pipeline.name))
        situation = self._situation(pipeline, tickets, pauses, now)
        for turn in situation.turns:
            if turn.phase is Phase.BEGUN:
                yield _at_pipeline(turn.ticket, slots, "starting", "its turn has come")
        before: dict[str, int] = {}
        for ticket in sorted(tickets, key=lambda ticket: (not ticket.forced, ticket.ready_ms)):
            ahead = before.get(ticket.trigger, 0)
            before[ticket.trigger] = ahead + 1
            pause = decision.pause_of(ticket, pauses, now)
            reason = pause_text(pause) if pause else _waits_for(ticket, ahead, situation)
            yield _at_pipeline(ticket, slots, "paused" if pause else "waiting", reason)

    def _situation(
        self, pipeline: Pipeline, tickets: Sequence[Ticket], pauses: Sequence[Pause], now: float
    ) -> Situation:
        """Return what decides at a pipeline, with the executions that SageMaker lists where their number is limited.

        Where it refuses to list them, nobody knows whose turn it is, and the other pipelines are listed all the same.
        """
        heads: dict[str, Ticket] = {}
        for ticket in tickets:
            heads.setdefault(ticket.trigger, ticket)
        limits = self._limits.get(pipeline.name, Limits())
        turns = self.store.turns(pipeline.name)
        situation = Situation(pipeline, turns, list(heads.values()), pauses, limits, lambda _: True, now)
        if limits.max_running is None:
            return situation
        since = pipeline.ended_before or int(now - decision.LONGEST_EXECUTION)
        try:
            listing = SageMaker({}, time.time, lambda: TIME_TO_LIST).executions(pipeline.name, since)
        except ClientError as error:
            if aws.is_transient(error):
                raise
            return replace(situation, aside=dict.fromkeys(heads, aws.refusal(error)))
        return replace(situation, listing=listing)

    def held(self, trigger: str, pipeline: str, now: float) -> tuple[str, str] | None:
        """Return whether another start of a trigger at a pipeline would be paused or be waiting, and for what.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

        """
        ticket = Ticket(Target(pipeline), trigger, "", 0)
        pauses = self.records.pauses()
        if pause := decision.pause_of(ticket, pauses, now):
            return "paused", pause_text(pause)
        known = self.store.pipeline(pipeline) or Pipeline(pipeline, 0, {}, 0)
        tickets = list(self.store.tickets(pipeline))
        reason = decision.why_not_now(self._situation(known, tickets, pauses, now))
        if ahead := sum(one.trigger == trigger for one in tickets):
            reason = f"behind {ahead} of the same trigger"
        return ("waiting", reason) if reason else None

    def find(self, text: str) -> str:
        """Return the id of the one batch that is open or waits and whose id begins with ``text``.

        Raises:
            NoSuchBatch: none, or several.

        """
        found = {slot.id for slot in self.store.open_slots()} | {ticket.batch for ticket in self._tickets()}
        found = {id_ for id_ in found if id_.startswith(text)}
        if len(found) == 1:
            return found.pop()
        if found:
            raise NoSuchBatch(
                f"{len(found)} batches begin with {text}: {', '.join(sorted(found))}; write more characters"
            )
        if batch := self.store.batch(text):
            raise NoSuchBatch(f"batch {text} is neither open nor waiting: {_all_ends(batch)}")
        raise NoSuchBatch(f"no batch {text} is open or waits; triggers batches lists those that do")

    def close(self, batch: str, patience: float) -> tuple[list[Entry], list[Ended]]:
        """Let ``on_batch`` close a batch, and return where it waits then and how it ended, after ``patience`` seconds.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

        """
        self._send({"close": batch})
        return self._after(batch, lambda: not self._waits(batch, unforced=True), patience)

    def drop(self, batch: str, reason: str, patience: float) -> tuple[list[Entry], list[Ended]]:
        """Let ``on_batch`` drop a batch, and return where it waits still and how it ended, after ``patience`` seconds.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

        """
        self._send({"drop": batch, "reason": reason})
        return self._after(batch, lambda: not self._waits(batch), patience)

    def _send(self, message: Mapping[str, str]) -> None:
        # Only on_batch knows the deployed triggers, and writes the verdict into the log.
        aws.sqs().send_message(QueueUrl=self._stack.resources["OnBatchQueue"], MessageBody=json.dumps(message))

    def _after(self, batch: str, done: Callable[[], bool], patience: float) -> tuple[list[Entry], list[Ended]]:
        deadline = time.monotonic() + patience
        while not done() and time.monotonic() < deadline:
            time.sleep(POLLED_EVERY)
        waiting = [entry for entry in self.entries(time.time()) if entry.batch == batch]
        sealed = self.store.batch(batch)
        return waiting, _ends(sealed) if sealed else []

    def _waits(self, batch: str, *, unforced: bool = False) -> bool:
        """Whether a batch is open, or waits; with ``unforced``: waits for more than ``close`` waits for."""
        if any(slot.id == batch and not slot.is_due for slot in self.store.open_slots()):
            return True
        return any(ticket.batch == batch and not (unforced and ticket.forced) for ticket in self._tickets())

    def _tickets(self) -> Iterator[Ticket]:
        for pipeline in self.store.pipelines():
            yield from self.store.tickets(pipeline.name)


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as the commands print it for machines."""
    return {**asdict(entry), "since": iso(entry.since)}


def state_of(entry: Entry) -> str:
    """Return an entry's state in words: of what, where, and what it waits for."""
    about = f"{entry.by}: " if entry.by else ""
    revision = f", revision {entry.revision}" if entry.revision > 1 else ""
    where = f" at {entry.pipeline}" if entry.pipeline else ""
    return f"{about}{entry.state}{revision}{where}: {entry.reason}"


def iso(seconds: float) -> str:
    """Return a time as text, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="minutes")


def pause_text(pause: Pause) -> str:
    """Return which pause it is, how long it holds, and why."""
    what = "everything" if pause.kind == "all" else f"{pause.kind} {pause.name}"
    until = "until it is resumed" if pause.until is None else f"until {iso(pause.until)}"
    return f"{what} is paused {until}: {pause.reason}"


def missing_text(missing: tuple[str, ...] | int) -> str:
    """Return which parts are missing, or how many."""
    return f"{missing} more parts" if isinstance(missing, int) else ", ".join(missing)


def _open(slot: Slot, now: float) -> Entry:
    missing = rules.missing(slot)
    return Entry(
        slot.id,
        slot.trigger,
        "open",
        slot.opened_at,
        closes(slot, now),
        slot.by,
        "",
        slot.count,
        missing,
        slot.revision,
    )


def closes(slot: Slot, now: float) -> str:
    """Say when an open batch closes, and what it lacks."""
    if slot.gone_since:
        return f"no deployed document defines {slot.trigger}; rejected at {iso(slot.gone_since + rules.GONE_FOR)}"
    if rules.why_due(slot, now):
        return "closes within a minute"
    quiet = span(slot.last_at + (CORRECTION_QUIET if slot.previous else slot.rules.quiet) - now)
    if slot.previous:
        return f"corrects batch {slot.previous}; closes in {quiet} if nothing comes"
    if slot.rules.is_join:
        missed = f"; its deadline was missed at {iso(slot.missed)}" if slot.missed else _deadline(slot)
        return f"missing {missing_text(rules.missing(slot))}{missed}"
    latest = slot.rules.max_open
    return f"closes in {quiet} if nothing comes" + (
        "" if latest is None else f", in {span(slot.opened_at + latest - now)} at the latest"
    )


def _deadline(slot: Slot) -> str:
    after = slot.rules.deadline_after
    return "" if after is None else f"; its deadline is {iso(slot.opened_at + after)}"


def _at_pipeline(ticket: Ticket, slots: Mapping[str, Slot], state: str, reason: str) -> Entry:
    slot = slots.get(ticket.batch)
    events = slot.count if slot else None if ticket.run is None else 1
    return Entry(
        batch=ticket.batch,
        trigger=ticket.trigger,
        state=state,
        since=ticket.ready_ms // 1000,
        reason=reason,
        by=slot.by if slot else "",
        pipeline=ticket.target.pipeline,
        events=events,
        missing=rules.missing(slot) if slot else (),
        revision=slot.revision if slot else 1,
    )


def _waits_for(ticket: Ticket, ahead: int, situation: Situation) -> str:
    if ticket.gone_since:
        return f"no deployed document starts it; rejected at {iso(ticket.gone_since + rules.GONE_FOR)}"
    if ahead:
        return f"behind {ahead} of the same trigger"
    limit = situation.aside.get(ticket.trigger) or decision.why_not_now(situation, forced=ticket.forced)
    return limit or "its turn comes within a minute, unless max_starts is reached"


def _ends(batch: Batch) -> list[Ended]:
    return [
        Ended(target.pipeline, str(end["outcome"]), end.get("reason", "") or end.get("execution", ""))
        for target in batch.targets
        if (end := batch.ends.get(target.key))
    ]


def _all_ends(batch: Batch) -> str:
    ends = _ends(batch)
    return ", ".join(f"{end.outcome} for {end.pipeline}" for end in ends) if ends else "it is being started"
