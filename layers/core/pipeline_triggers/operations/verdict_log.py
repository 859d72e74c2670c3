"""The verdicts that a handler reported, read from its log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.models import Outcome, Verdict

_FIELDS = {field.name for field in fields(Verdict)}


@dataclass(frozen=True, slots=True)
class LoggedVerdict:
    """A verdict, and when it was logged."""

    at: datetime
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """Return it as the commands print it for machines."""
        known = {name: value for name, value in asdict(self.verdict).items() if value is not None}
        return {"time": self.at.isoformat(timespec="seconds"), **known}


def verdicts(log_group: str, since: datetime, **conditions: str) -> Iterator[LoggedVerdict]:
    """Yield the verdicts since a time, oldest first; ``conditions`` are the values that fields of a line must have.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the log could not be read.

    """
    conditions = {"message": "verdict", **conditions}
    pattern = " && ".join(f"($.{name} = {_quoted(value)})" for name, value in conditions.items())
    pages = (
        aws.logs()
        .get_paginator("filter_log_events")
        .paginate(logGroupName=log_group, filterPattern=f"{{ {pattern} }}", startTime=int(since.timestamp() * 1000))
    )
    for page in pages:
        for event in page["events"]:
            line = _parsed(event["message"])
            if conditions.items() <= line.items():
                known = {name: value for name, value in line.items() if name in _FIELDS}
                verdict = Verdict(**{**known, "outcome": Outcome(line["outcome"])})
                yield LoggedVerdict(datetime.fromtimestamp(event["timestamp"] / 1000, UTC), verdict)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _parsed(text: str) -> dict[str, Any]:
    """Parse a line of the handlers' logger; nothing of Lambda's own lines."""
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
