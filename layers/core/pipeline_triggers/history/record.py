"""A record: a final verdict, with how the execution that it started ended. Pure: record ⇄ table item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from pipeline_triggers.models import Verdict

# DynamoDB's limit for a partition key is 2,048 bytes; S3's for a key is 1,024.
MAX_SUBJECT_BYTES = 2000
MAX_REASON = 4000  # characters


@dataclass(frozen=True, slots=True)
class End:
    """How an execution ended: SageMaker's status, its reason or "", and when, in ISO 8601."""

    status: str
    reason: str
    at: str


@dataclass(frozen=True, slots=True)
class Record:
    """One final verdict.

    ``message`` is the SQS message that brought the event (for a verdict of a batch, the batch), ``position`` the
    verdict's place among those of the message: together they are the same for each redelivery. ``at`` is when it was
    written and ``event_at`` the event's own time, both in ISO 8601, UTC. ``parameters`` are the computed values; secret
    ones are masked. What does not apply is "".
    """

    subject: str
    message: str
    position: int
    at: str
    outcome: str
    trigger: str
    event_id: str
    event_at: str = ""
    pipeline: str = ""
    reason: str = ""
    execution: str = ""
    batch: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    end: End | None = None


def of_verdict(verdict: Verdict, message: str, position: int, at: str) -> Record:
    """Return the record of a verdict; what could not be read has no subject but its message."""
    return Record(
        subject=verdict.subject or f"message {message}",
        message=message,
        position=position,
        at=at,
        outcome=str(verdict.outcome),
        trigger=verdict.trigger,
        event_id=verdict.event_id,
        pipeline=verdict.pipeline or "",
        reason=(verdict.reason or "")[:MAX_REASON],
        execution=verdict.execution_arn or "",
    )


def key(record: Record) -> dict[str, str]:
    """Return a record's key: the same for each attempt to write it."""
    return {"pk": partition(record.subject), "sk": f"{record.message}#{record.position:04}"}


def partition(subject: str) -> str:
    """Return the partition key of all records about a subject."""
    return f"subject#{subject.encode()[:MAX_SUBJECT_BYTES].decode(errors='ignore')}"


def item(record: Record, expires: int) -> dict[str, Any]:
    """Return the table item; attributes without a value are left out, since an index takes no empty key.

    ``going`` puts a started execution into the index of those whose end is not known; ``expires`` is in Unix seconds.
    """
    known = {name: value for name, value in asdict(record).items() if value}
    going = {"going": "yes"} if record.execution and record.outcome == "STARTED" and record.end is None else {}
    return {**key(record), **known, "position": record.position, **going, "expires": expires}


def read(item: Mapping[str, Any]) -> Record:
    """Return the record of a table item."""
    known = {name: item[name] for name in _NAMES if name in item}
    end = End(**known.pop("end")) if "end" in known else None
    return Record(**{**known, "position": int(known["position"]), "end": end})


_NAMES = tuple(one.name for one in fields(Record))
