"""Verdicts → one log line and one metric each."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import datetime
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings

SERVICE = "pipeline-triggers"
NAMESPACE = "PipelineTriggers"


def _line(entry: dict[str, Any]) -> str:
    """Write a readable log line; what is not valid Unicode (a lone surrogate) is escaped, or the line would be lost."""
    return json.dumps(entry, default=str, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")


# Lambda keeps a JSON line as it is only if its timestamp is RFC 3339.
logger = Logger(service=SERVICE, json_serializer=_line, use_rfc3339=True)


def count_max_starts() -> None:
    """Count that a trigger waits because it has reached its max_starts; an alarm of the stack watches this metric."""
    count("MAX_STARTS_REACHED")


def count_missed() -> None:
    """Count that a deadline found a batch incomplete; an alarm of the stack watches this metric."""
    count("BATCH_MISSED")


def report_waiting(hours: float) -> None:
    """Report for how long a start has waited for its turn; an alarm of the stack watches this metric."""
    count("BATCH_WAITING_HOURS", hours)


def count(name: str, value: float = 1, unit: MetricUnit = MetricUnit.Count, **dimensions: str) -> None:
    """Count in CloudWatch, under the stack's name."""
    of_stack = {"Stack": settings().stack}
    with single_metric(
        name=name,
        unit=unit,
        value=value,
        namespace=NAMESPACE,
        default_dimensions={**of_stack, **dimensions},
    ):
        pass


def report(verdict: Verdict, *, deployed: bool) -> None:
    """Report what became of an event: a line in the function's log, a count in CloudWatch.

    Each team has a count per outcome, and with ``trigger_metrics`` each trigger: CloudWatch bills every one of them.
    Triggers that are not ``deployed`` share one, since a publisher could name any number of them.
    """
    level = logger.warning if verdict.outcome is Outcome.REJECTED else logger.info
    known = {key: value for key, value in asdict(verdict).items() if value is not None}
    known.pop("parameters", None)  # the record has them; a log has no payloads
    level("verdict", extra=known)
    trigger = verdict.trigger if deployed else "unknown"
    count(verdict.outcome, Team=trigger.partition("/")[0])
    if settings().trigger_metrics:
        count(verdict.outcome, Trigger=trigger)
    if verdict.outcome is Outcome.STARTED and verdict.event_time:
        _report_delay(verdict.event_time)


def report_end(end: Verdict) -> None:
    """Report how an execution ended: a line in the log, and counts of the stack, so that there are few metrics."""
    level = logger.warning if end.outcome is Outcome.FAILED else logger.info
    level("verdict", extra={key: value for key, value in asdict(end).items() if value is not None})
    count(f"RUN_{end.outcome}")
    if end.seconds is not None:
        count("RUN_DURATION", end.seconds, MetricUnit.Seconds)


def _report_delay(event_time: str) -> None:
    """Report the time from an event to the start of its pipeline."""
    try:
        happened_at = datetime.fromisoformat(event_time)
    except ValueError:
        return  # of somebody's own event
    if happened_at.tzinfo:
        count("START_DELAY", max(0.0, time.time() - happened_at.timestamp()), MetricUnit.Seconds)
