"""The records of a deployed stack: what became of events and runs, and the chain from an event to its run and back."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.history.record import Record
from pipeline_triggers.history.table import History
from pipeline_triggers.models import Outcome
from pipeline_triggers.operations.stacks import NotDeployed, Stack

MOST_MEMBERS = 20  # of the events of a batch that a chain shows


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records to list; "" stands for all. Times are in ISO 8601, UTC, as records have them.

    ``was`` are the former ids of the trigger.
    """

    trigger: str = ""
    was: tuple[str, ...] = ()
    subject: str = ""
    outcomes: frozenset[str] = frozenset()
    since: str = "0"
    until: str = "9"

    def matches(self, record: Record) -> bool:
        """Whether a record is one of them."""
        verdict = record.verdict
        return (
            (not self.trigger or verdict.trigger in (self.trigger, *self.was))
            and (not self.outcomes or verdict.outcome in self.outcomes)
            and self.since <= record.at <= self.until
        )


def of_stack(stack: Stack) -> History:
    """Return the records of a deployed stack.

    Raises:
        NotDeployed: the stack is older than the records.

    """
    if "HistoryTable" not in stack.resources:
        raise NotDeployed(f"stack {stack.name} has no HistoryTable; deploy this version first")
    return History(aws.dynamodb(), stack.resources["HistoryTable"])


def records(history: History, wanted: Wanted, triggers: Iterable[str], limit: int) -> list[Record]:
    """Return the newest records that are wanted, the newest first; without a subject or trigger, those of all triggers.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    if wanted.subject:
        chosen = filter(wanted.matches, chain(history, history.of_subject(wanted.subject)))
        return sorted(chosen, key=_at, reverse=True)[:limit]
    names = [wanted.trigger, *wanted.was] if wanted.trigger else list(triggers)
    each = [filter(wanted.matches, history.of_trigger(name, wanted.since, wanted.until)) for name in names]
    return list(islice(heapq.merge(*each, key=_at, reverse=True), limit))


def _at(record: Record) -> str:
    return record.at


def chain(history: History, found: Iterable[Record]) -> list[Record]:
    """Return records with all that they led to, oldest first: an event's batch, its verdict, the run, the end."""
    seen: dict[tuple[str, str, str], Record] = {}
    waiting = list(found)
    looked_at: set[str] = set()
    while waiting:
        record = waiting.pop()
        verdict = record.verdict
        seen[verdict.event_id, record.id, verdict.execution_arn or ""] = record
        for result, lookup in _next(record, history):
            if result not in looked_at:
                looked_at.add(result)
                waiting += lookup(result)
    return sorted(seen.values(), key=_at)


def _next(record: Record, history: History) -> Iterator[tuple[str, Callable[[str], Iterable[Record]]]]:
    verdict = record.verdict
    if verdict.execution_arn:
        yield verdict.execution_arn, history.of_result
    elif verdict.batch and verdict.batch != verdict.event_id:
        yield verdict.batch, history.of_event


def origins(history: History, execution: str) -> list[Record]:
    """Return how a run came about, oldest first: its start and its end, and for a batch's the first of its events."""
    of_run = list(history.of_result(execution))
    batches = {one.verdict.batch for one in of_run if one.verdict.batch and one.verdict.batch == one.verdict.event_id}
    members = [one for batch in sorted(filter(None, batches)) for one in islice(history.of_result(batch), MOST_MEMBERS)]
    return sorted([*members, *of_run], key=_at)


ENDED = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.STOPPED})


def as_json(record: Record) -> dict[str, Any]:
    """Return a record as the commands print it for machines."""
    known = {name: value for name, value in asdict(record.verdict).items() if value is not None}
    return {"time": record.at, **known}


def last(history: History, triggers: Sequence[str], most: int) -> list[Record]:
    """Return the last records of triggers, oldest first."""
    return records(history, Wanted(), triggers, most)[::-1]
