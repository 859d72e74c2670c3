"""The sources of events: for each ``when`` a file, which ``SOURCES`` lists in the documentation's order.

A new source takes its file, its name in the two lists below, and a sample event in ``documents/samples``;
``make format`` then writes it into ``documents/schema.json`` and the reference.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_triggers.language.sources import (
    alarm,
    drift,
    endpoint,
    event,
    model_package,
    pipeline,
    s3,
    schedule,
    sns,
    training_job,
)
from pipeline_triggers.language.sources.event import written
from pipeline_triggers.language.sources.sns import takes_requests, topic, topic_filter, topic_problem
from pipeline_triggers.language.sources.source import DetailType, Pattern, Source, Write
from pipeline_triggers.models import Trigger, When

__all__ = ["pattern", "starter", "takes_requests", "topic", "topic_filter", "topic_problem", "written"]

_FILES = (s3, endpoint, drift, training_job, model_package, pipeline, alarm, sns, schedule, event)

SOURCES: Mapping[str, Source] = {file.SOURCE.name: file.SOURCE for file in _FILES}

DETAIL_TYPES: Mapping[str, DetailType] = {
    name: detail_type for source in SOURCES.values() for name, detail_type in source.detail_types.items()
}

# The handlers' stems, by which the template names functions, queues and roles.
HANDLERS = ("OnS3Upload", "OnEndpointStatus", "OnSnsMessage", "OnEvent")

# The stem of the handler that starts what was collected, or had to wait.
BATCHES = "OnBatch"

# Who starts pipelines, by the stems of their roles: the handlers, and EventBridge and Scheduler themselves.
DIRECT_RULES, DIRECT_SCHEDULES = "DirectRules", "DirectSchedules"
STARTERS = (*HANDLERS, DIRECT_RULES, DIRECT_SCHEDULES)


def starter(trigger: Trigger) -> str:
    """Return who starts a trigger's pipelines."""
    if trigger.direct:
        return DIRECT_SCHEDULES if trigger.when.source == "schedule" else DIRECT_RULES
    return SOURCES[trigger.when.source].handler


def pattern(when: When, write: Write) -> Pattern | None:
    """Write the event pattern of a trigger's rule; None where messages come without one."""
    of_source = SOURCES[when.source].pattern
    return of_source(when.fields, write) if of_source else None
