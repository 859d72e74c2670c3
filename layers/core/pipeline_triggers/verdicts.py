"""Verdicts → one log line and one metric each."""

from __future__ import annotations

from dataclasses import asdict

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings

SERVICE = "pipeline-triggers"
NAMESPACE = "PipelineTriggers"

logger = Logger(service=SERVICE)


def report(verdict: Verdict) -> None:
    """Tell the user what became of an event: a line in the function's log, a count in CloudWatch."""
    level = logger.warning if verdict.outcome is Outcome.REJECTED else logger.info
    level("verdict", extra={key: value for key, value in asdict(verdict).items() if value is not None})
    with single_metric(
        name=verdict.outcome,
        unit=MetricUnit.Count,
        value=1,
        namespace=NAMESPACE,
        default_dimensions={"Stack": settings().stack, "Trigger": verdict.trigger},
    ):
        pass
