"""A record: a final verdict as HistoryTable keeps it. Pure: record ⇄ table item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

from pipeline_triggers.models import Outcome, Verdict

# DynamoDB's limits for keys are 2,048 bytes (partition) and 1,024 (sort); S3's for an object's key is 1,024.
MAX_KEY_BYTES = 2000
MAX_REASON = 1000  # characters


@dataclass(frozen=True, slots=True)
class Record:
    """A final verdict and when it was written, in ISO 8601, UTC.

    ``id`` is the same each time that the same verdict is written, so that it is kept once; it begins with a time.
    """

    verdict: Verdict
    at: str
    id: str

    @property
    def subject(self) -> str:
        """What the verdict is about; what could not be read has no subject but its message."""
        return self.verdict.subject or self.verdict.batch or self.verdict.event_id


@dataclass(frozen=True, slots=True)
class Going:
    """A started execution whose end is not known, by the record of its start."""

    started: Record


def timestamp(seconds: float) -> str:
    """Return a Unix time in ISO 8601, UTC, with milliseconds, so that texts compare as times do."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_recorded(verdict: Verdict) -> bool:
    """Whether a verdict gets a record: a final one, but for FILTERED, which stays in the log and costs no call."""
    return verdict.is_final and verdict.outcome is not Outcome.FILTERED


def item(record: Record, expires: int) -> dict[str, Any]:
    """Return the table item; attributes without a value are left out, since an index takes no empty key.

    ``result`` is what the event led to, an execution or a batch; ``expires`` is in Unix seconds. The end of an
    execution has its own partition, so that it is there once, whatever led to the execution.
    """
    known = {name: value for name, value in asdict(record.verdict).items() if value}
    texts = {name: _fitting(value, MAX_KEY_BYTES) for name, value in known.items() if isinstance(value, str)}
    parameters = {_text(name): _text(value) for name, value in known.get("parameters", {}).items()}
    result = record.verdict.execution_arn or record.verdict.batch
    return {
        **known,
        **texts,
        **({"parameters": parameters} if parameters else {}),
        **({"reason": _text(record.verdict.reason[:MAX_REASON])} if record.verdict.reason else {}),
        **({"result": result_key(result)} if result else {}),
        "pk": f"{END}#{result_key(result)}" if result and record.id == END else subject_key(record.subject),
        "sk": record.id,
        "at": record.at,
        "expires": expires,
    }


GOING = "going"  # the partition of executions whose end is not known
END = "end"  # the id of an execution's end


def going_item(record: Record, expires: int) -> dict[str, Any]:
    """Return the item that says that an execution goes on; no attribute of it is in an index."""
    started = item(replace(record, verdict=replace(record.verdict, parameters=None)), expires)
    return {**going_key(record.verdict.execution_arn or ""), "started": started, "expires": expires}


def going_key(execution: str) -> dict[str, str]:
    """Return the key of that item."""
    return {"pk": GOING, "sk": result_key(execution)}


def read_going(item: Mapping[str, Any]) -> Going:
    """Return what a table item says of an execution that goes on."""
    return Going(read(item["started"]))


def read(item: Mapping[str, Any]) -> Record:
    """Return the record of a table item."""
    known = {name: item[name] for name in _FIELDS if name in item}
    # What a missed part is about has no event, and an unreadable message names no trigger.
    verdict = Verdict(**{"trigger": "", "event_id": "", **known, "outcome": Outcome(item["outcome"])})
    return Record(verdict, at=item["at"], id=item["sk"])


def subject_key(subject: str) -> str:
    """Return the partition of all records about a subject."""
    return f"subject#{_fitting(subject, MAX_KEY_BYTES)}"


def result_key(result: str) -> str:
    """Return the key of an execution or a batch; SageMaker may lower-case ARNs."""
    return result.lower()


def _fitting(text: str, most: int) -> str:
    """Cut a text to a number of bytes."""
    return _text(text).encode()[:most].decode(errors="ignore")


def _text(text: str) -> str:
    """Escape what is not valid Unicode (a lone surrogate), which DynamoDB refuses."""
    return text.encode("utf-8", "backslashreplace").decode()


_FIELDS = tuple(field.name for field in fields(Verdict))
