"""One realistic event per source: what the check evaluates values on. ``events/`` at the top links to them."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

from pipeline_triggers.events import eventbridge, from_topic, s3_upload
from pipeline_triggers.models import Occurrence, Trigger, When
from pipeline_triggers.sources import topic

# What DescribeProcessingJob adds to the event of drift.json.
MONITOR = {
    "schedule": "churn-prod",
    "job": "model-monitoring-202611010300-4f1c2a",
    "message": "CompletedWithViolations: Job completed successfully with 2 violations.",
    "violations_uri": "s3://acme-monitoring/churn-prod/2026/11/01/03/constraint_violations.json",
}


def sample(when: When) -> Occurrence | None:
    """Return an event as the trigger's source sends them, or None where nobody can know (``event``)."""
    if when.source == "event":
        return None
    name = "sns_topic" if topic(when) else when.source
    event = json.loads(resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    if when.source == "sns":
        subscriber = Trigger("", When("sns", {"topic": event["TopicArn"]} if topic(when) else {}), ())
        return from_topic(None, json.dumps(event), {"": subscriber})[0].occurrence()
    if when.source == "s3":
        if "key" in when.fields:
            # A key that the glob matches, so that what the expressions take out of it is there.
            event["detail"]["object"]["key"] = when.fields["key"].replace("**", "a/b").replace("*", "2026-10")
        return s3_upload(event)
    occurrence = eventbridge(event)
    if when.source == "drift":
        return replace(occurrence, bindings={**occurrence.bindings, "monitor": MONITOR})
    return occurrence
