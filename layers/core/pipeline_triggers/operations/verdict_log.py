"""The verdicts that a handler told, read from its log."""

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
class Told:
    """A verdict, and when it was told."""

    at: datetime
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """Return it as the commands print it for machines."""
        told = {name: value for name, value in asdict(self.verdict).items() if value is not None}
        return {"time": self.at.isoformat(timespec="seconds"), **told}


def verdicts(log_group: str, since: datetime, **which: str) -> Iterator[Told]:
    """Give the verdicts since a time, oldest first; ``which`` are the fields of a log line that must be so.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the log can't be read.

    """
    wanted = {"message": "verdict", **which}
    pattern = " && ".join(f'($.{name} = "{value}")' for name, value in wanted.items())
    pages = (
        aws.logs()
        .get_paginator("filter_log_events")
        .paginate(logGroupName=log_group, filterPattern=f"{{ {pattern} }}", startTime=int(since.timestamp() * 1000))
    )
    for page in pages:
        for event in page["events"]:
            line = _line(event["message"])
            if wanted.items() <= line.items():
                known = {name: value for name, value in line.items() if name in _FIELDS}
                verdict = Verdict(**{**known, "outcome": Outcome(line["outcome"])})
                yield Told(datetime.fromtimestamp(event["timestamp"] / 1000, UTC), verdict)


def _line(text: str) -> dict[str, Any]:
    """Read what the handlers' logger wrote; Lambda's own lines are none of it."""
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
