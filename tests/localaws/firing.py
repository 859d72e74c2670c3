"""ministack's Scheduler and EventBridge, as far as they fire: the attributes, times and pipeline targets of AWS."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge, scheduler
from ministack.services.cloudformation import provisioners
from moto.sagemaker.models import sagemaker_backends

_FIELDS = ("ScheduleExpressionTimezone", "StartDate", "EndDate")


def often() -> None:
    """Look for what is due every 0.2 s. ministack 1.5.33 does every 10 s, AWS within the minute; for speed alone."""
    scheduler._SCHEDULE_TICK_INTERVAL = 0.2


def as_deployed() -> None:
    """Keep the zone, start and end of deployed schedules. Goes when ministack's CloudFormation hands them on."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    create, update = handlers["create"], handlers["update"]

    def keep(name: str, properties: Mapping[str, Any]) -> None:
        group = properties.get("GroupName", "default")
        kept = {field: properties.get(field) for field in _FIELDS}
        for field in ("StartDate", "EndDate"):
            kept[field] = scheduler._to_epoch(kept[field])
        kept["ScheduleExpressionTimezone"] = kept["ScheduleExpressionTimezone"] or "UTC"
        scheduler._schedules[f"{group}/{name}"].update(kept)

    def create_whole(logical_id: str, properties: Any, stack: str) -> Any:
        name, attributes = create(logical_id, properties, stack)
        keep(name, properties)
        return name, attributes

    def update_whole(name: str, former: Any, properties: Any, stack: str) -> Any:
        name, attributes = update(name, former, properties, stack)
        keep(name, properties)
        return name, attributes

    handlers |= {"create": create_whole, "update": update_whole}


def to_targets() -> None:
    """Fill in Scheduler's attributes, and start pipelines. ministack 1.5.33 does neither; goes when it does."""
    invoke = eventbridge._invoke_target

    def invoke_as_aws(target: Any, event: Any, of: Any, view: Any = None) -> None:
        if event.get("Source") == "aws.scheduler":
            target = _filled_in(target, of)
        if ":pipeline/" not in target["Arn"]:
            invoke(target, event, of, view)
            return
        happened = (view or eventbridge._pattern_event_view(event)).event_with_detail()
        listed = target.get("SageMakerPipelineParameters", {}).get("PipelineParameterList", [])
        given = [{"Name": one["Name"], "Value": _value(one["Value"], happened)} for one in listed]
        name = target["Arn"].rpartition("/")[2]
        backend = sagemaker_backends[get_account_id()][get_region()]
        try:
            backend.start_pipeline_execution(name, "", given, "", {}, str(uuid.uuid4()))
        except Exception as error:  # AWS sends it to the target's dead-letter queue
            eventbridge.logger.error("pipeline target %s: %s", target["Arn"], error)

    eventbridge._invoke_target = invoke_as_aws


def _filled_in(target: Any, schedule: Mapping[str, Any]) -> Any:
    attributes = {
        "schedule-arn": schedule["Arn"],
        "scheduled-time": _due(schedule).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "execution-id": new_uuid(),
        "attempt-number": "1",
    }
    text = json.dumps(target)
    for name, value in attributes.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return json.loads(text)


def _due(schedule: Mapping[str, Any]) -> datetime:
    """Return the time that a schedule fires for: the one that it names, or this second."""
    if once := re.fullmatch(r"at\((.+)\)", schedule["ScheduleExpression"]):
        zone = ZoneInfo(schedule["ScheduleExpressionTimezone"])
        return datetime.fromisoformat(once[1]).replace(tzinfo=zone).astimezone(UTC)
    return datetime.now(UTC)


def _value(written: str, event: Any) -> str:
    if not written.startswith("$."):
        return written
    for step in re.findall(r"[^.\[\]]+", written[2:]):
        event = event[int(step) if isinstance(event, list) else step]
    return str(event)
