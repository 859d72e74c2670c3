"""The targets of rules and schedules: a handler's queue, or for ``delivery: direct`` the pipelines themselves."""

from __future__ import annotations

import json
from typing import Any

from pipeline_triggers.compile.cloudformation import (
    MAX_DESCRIPTION_LENGTH,
    Resource,
    pipeline_arn,
    stage_text,
    sub,
)
from pipeline_triggers.documents.direct import sent
from pipeline_triggers.language.sources import BATCHES, SOURCES, starter
from pipeline_triggers.models import Start, Trigger

# What a target can't take within a day goes to the dead-letter queue. Both figures are EventBridge's and
# Scheduler's own defaults, written down so that nobody has to look them up.
_RETRY_POLICY = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


def rule_targets(trigger: Trigger) -> list[Resource]:
    """Return the targets of a trigger's rule."""
    if not trigger.direct:
        return [_queue(trigger)]
    return [{"Id": f"pipeline-{number}", **_pipeline(trigger, start)} for number, start in enumerate(trigger.start, 1)]


def schedule_target(trigger: Trigger) -> Resource:
    """Return the one target of a trigger's schedule."""
    if trigger.direct:
        return _pipeline(trigger, trigger.start[0])
    return {
        "Arn": {"Ref": "OnEventQueueArn"},
        "RoleArn": {"Ref": "ScheduleRoleArn"},
        "Input": sub(json.dumps(_scheduled_event(trigger))),
        **_failures(_handler(trigger)),
    }


def deadline_target(trigger: Trigger) -> Resource:
    """Return the target of the schedule of a trigger's deadline."""
    return {
        "Arn": {"Ref": f"{BATCHES}QueueArn"},
        "RoleArn": {"Ref": "ScheduleRoleArn"},
        "Input": json.dumps({"deadline": trigger.first_id, "scheduled": "<aws.scheduler.scheduled-time>"}),
        **_failures(BATCHES),
    }


def description(trigger: Trigger) -> str:
    """Return what a rule or schedule says about itself."""
    return f"{trigger.id}: {trigger.description}"[:MAX_DESCRIPTION_LENGTH]


def state(trigger: Trigger) -> str:
    """Return whether a rule or schedule fires."""
    return "ENABLED" if trigger.enabled else "DISABLED"


def _queue(trigger: Trigger) -> Resource:
    return {
        "Id": "queue",
        "Arn": {"Ref": f"{_handler(trigger)}QueueArn"},
        # The whole event, never values picked out of it: those are not escaped, so an object's
        # key could write JSON of its own.
        "InputTransformer": {"InputTemplate": f'{json.dumps(_for(trigger))[:-1]}, "event": <aws.events.event.json>}}'},
        **_failures(_handler(trigger)),
    }


def _pipeline(trigger: Trigger, start: Start) -> Resource:
    """Let EventBridge or Scheduler itself start a pipeline."""
    values = [{"Name": name, "Value": stage_text(sent(value))} for name, value in start.parameters.items()]
    return {
        "Arn": sub(pipeline_arn(start.pipeline)),
        "RoleArn": {"Fn::GetAtt": [f"{starter(trigger)}Role", "Arn"]},
        **({"SageMakerPipelineParameters": {"PipelineParameterList": values}} if values else {}),
        **_failures(_handler(trigger)),
    }


def _failures(handler: str) -> Resource:
    """Keep what a target can't take."""
    return {
        "DeadLetterConfig": {"Arn": {"Ref": f"{handler}DeadLetterQueueArn"}},
        "RetryPolicy": dict(_RETRY_POLICY),
    }


def _handler(trigger: Trigger) -> str:
    return SOURCES[trigger.when.source].handler


def _scheduled_event(trigger: Trigger) -> dict[str, Any]:
    """Return what a schedule sends: an event like EventBridge's, in which Scheduler fills in each <…>."""
    event = {
        "version": "0",
        "id": "<aws.scheduler.execution-id>",
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": "${AWS::AccountId}",
        "time": "<aws.scheduler.scheduled-time>",
        "region": "${AWS::Region}",
        "resources": ["<aws.scheduler.schedule-arn>"],
        "detail": {"trigger": trigger.id, "timezone": trigger.when.fields.get("timezone", "UTC")},
    }
    return {**_for(trigger), "event": event}


def _for(trigger: Trigger) -> dict[str, str]:
    """Return which trigger, and which of its parts, a message is for."""
    return {"trigger": trigger.id, **({"part": trigger.part} if trigger.part else {})}
