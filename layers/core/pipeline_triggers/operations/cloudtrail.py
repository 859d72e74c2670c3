"""What CloudTrail knows: when pipelines were deleted, and whether it tells EventBridge of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws


def deletions() -> dict[str, datetime]:
    """Return when pipelines were deleted in the last 90 days, by their names in lower case.

    CloudTrail's event history holds that with a trail or without.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: CloudTrail can't be asked.

    """
    wanted = {"AttributeKey": "EventName", "AttributeValue": "DeletePipeline"}
    found: dict[str, datetime] = {}
    for page in aws.cloudtrail().get_paginator("lookup_events").paginate(LookupAttributes=[wanted]):
        for event in page["Events"]:
            record = json.loads(event["CloudTrailEvent"])
            name = (record.get("requestParameters") or {}).get("pipelineName")
            if record.get("eventSource") == "sagemaker.amazonaws.com" and "errorCode" not in record and name:
                found[name.lower()] = max(event["EventTime"], found.get(name.lower(), event["EventTime"]))
    return found


def tells_of_deletions() -> bool:
    """Whether a trail logs this Region's management events: only then does EventBridge hear of a DeletePipeline.

    A trail answers in its home Region only, and an organization's may not answer its members.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: CloudTrail can't be asked of a trail, and none is known to.

    """
    unknown: BotoCoreError | ClientError | None = None
    for trail in aws.cloudtrail().describe_trails()["trailList"]:
        try:
            if _tells(trail):
                return True
        except (BotoCoreError, ClientError) as error:
            unknown = error
    if unknown:
        raise unknown
    return False


def _tells(trail: Mapping[str, Any]) -> bool:
    client, arn = aws.cloudtrail(trail["HomeRegion"]), trail["TrailARN"]
    if not client.get_trail_status(Name=arn)["IsLogging"]:
        return False
    selectors = client.get_event_selectors(TrailName=arn)
    return any(map(_logs_writes, selectors.get("EventSelectors") or [])) or any(
        map(_selects_writes, selectors.get("AdvancedEventSelectors") or [])
    )


def _logs_writes(selector: Mapping[str, Any]) -> bool:
    return bool(selector.get("IncludeManagementEvents")) and selector.get("ReadWriteType") != "ReadOnly"


def _selects_writes(selector: Mapping[str, Any]) -> bool:
    fields = {field["Field"]: field for field in selector["FieldSelectors"]}
    if fields.get("eventCategory", {}).get("Equals") != ["Management"]:
        return False
    return bool(fields.get("readOnly", {}).get("Equals") != ["true"])
