"""One realistic event per source: what the check evaluates values on. ``events/`` at the top links to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from typing import Any

from pipeline_triggers.events.envelope import eventbridge, from_topic, s3_upload
from pipeline_triggers.language.sources import topic
from pipeline_triggers.models import Occurrence, Trigger, When

# What DescribeProcessingJob adds to the event of drift.json.
# Each with what is asked of AWS only where an expression names it.
OBJECT: Mapping[str, Any] = {"metadata": {}, "tags": {}}
ENDPOINT = {"data_capture_uri": "s3://acme-monitoring/capture", "models": ["churn-2026-10"]}
MONITOR = {
    "schedule": "churn-prod",
    "job": "model-monitoring-202611010300-4f1c2a",
    "message": "CompletedWithViolations: Job completed successfully with 2 violations.",
    "violations_uri": "s3://acme-monitoring/churn-prod/2026/11/01/03/constraint_violations.json",
}
VIOLATIONS = [
    {
        "feature_name": "tenure",
        "constraint_check_type": "baseline_drift_check",
        "description": "Baseline drift distance: 0.31 exceeds threshold: 0.1",
    }
]


def sample(when: When) -> Occurrence | None:
    """Return an event as the trigger's source sends them, or None where nobody can know (``event``)."""
    if when.source == "event":
        return None
    name = "sns_topic" if topic(when) else "endpoint_deployment" if "deployment" in when.fields else when.source
    event = json.loads(resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    if when.source == "sns":
        subscriber = Trigger("", When("sns", {"topic": event["TopicArn"]} if topic(when) else {}), ())
        return from_topic(None, json.dumps(event), {"": subscriber})[0].occurrence()
    if when.source == "s3":
        if "key" in when.fields:
            # A key that the glob matches, so that what the expressions take out of it is there.
            event["detail"]["object"]["key"] = when.fields["key"].replace("**", "a/b").replace("*", "2026-10")
        return _with(s3_upload(event), "object", OBJECT)
    occurrence = eventbridge(event)
    if when.source == "drift":
        return _with(occurrence, "monitor", {**MONITOR, "endpoint": "churn-prod", "violations": VIOLATIONS})
    return _with(occurrence, "endpoint", ENDPOINT) if when.source == "endpoint" else occurrence


def _with(occurrence: Occurrence, variable: str, fields: Mapping[str, Any]) -> Occurrence:
    bound = {**occurrence.bindings.get(variable, {}), **fields}
    return replace(occurrence, bindings={**occurrence.bindings, variable: bound})
