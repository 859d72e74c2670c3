"""EventBridge of ministack 1.5.33: events of AWS from tests, Scheduler's attributes, pipelines as targets."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import eventbridge
from moto.sagemaker.models import sagemaker_backends


def let_tests_speak_for_aws() -> None:
    """Accept events of ``aws.*`` sources from PutEvents. AWS refuses them; goes when the engine sends its own."""
    put_events = eventbridge._put_events

    def put(data: Any, allow_aws_source: bool = True) -> Any:
        del allow_aws_source
        return put_events(data, True)

    eventbridge._put_events = put


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
