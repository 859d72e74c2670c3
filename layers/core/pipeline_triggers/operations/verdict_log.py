"""The verdicts that a handler reported, read from its log."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.models import Outcome, Verdict

# Where verdicts are: the handlers' log groups, and that of batches.
HANDLERS_LOGS = (
    *("OnS3UploadLogGroup", "OnEndpointStatusLogGroup", "OnSnsMessageLogGroup", "OnEventLogGroup"),
    "OnBatchLogGroup",
)
LATE = timedelta(minutes=1)  # that a line of a log may be

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


def new_verdicts(
    log_groups: Sequence[str], since: datetime, wait: Callable[[], None], **conditions: str
) -> Iterator[LoggedVerdict]:
    """Yield verdicts as they fall, for ever; ``wait`` is called between two looks.

    A line may show up late, and so each look goes back a while; what was yielded is not yielded again.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a log could not be read.

    """
    began, seen = since, dict[str, datetime]()
    while True:
        found = [one for group in log_groups for one in verdicts(group, since, **conditions)]
        for logged in sorted(found, key=lambda one: one.at):
            key = json.dumps(logged.as_json(), sort_keys=True)
            if key not in seen:
                seen[key] = logged.at
                yield logged
        since = max(began, datetime.now(UTC) - LATE)
        seen = {key: at for key, at in seen.items() if at >= since - LATE}
        wait()


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
