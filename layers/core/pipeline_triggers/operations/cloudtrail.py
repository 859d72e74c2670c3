"""What CloudTrail knows: when pipelines were deleted, and whether EventBridge hears of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws


def deletions() -> dict[str, datetime]:
    """Return when pipelines were deleted in the last 90 days, by their names in lower case.

    CloudTrail's event history holds that with or without a trail.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the request to AWS failed.

    """
    delete_pipeline = {"AttributeKey": "EventName", "AttributeValue": "DeletePipeline"}
    times: dict[str, datetime] = {}
    for page in aws.cloudtrail().get_paginator("lookup_events").paginate(LookupAttributes=[delete_pipeline]):
        for event in page["Events"]:
            record = json.loads(event["CloudTrailEvent"])
            name = (record.get("requestParameters") or {}).get("pipelineName")
            if record.get("eventSource") == "sagemaker.amazonaws.com" and "errorCode" not in record and name:
                key = name.lower()
                times[key] = max(event["EventTime"], times.get(key, event["EventTime"]))
    return times


def reports_deletions() -> bool:
    """Whether a trail logs this Region's management events: only then does EventBridge hear of a DeletePipeline.

    A trail answers in its home Region only, and an organization's trail may not answer the members.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: no trail is known to log them, and one did not answer.

    """
    unknown: BotoCoreError | ClientError | None = None
    for trail in aws.cloudtrail().describe_trails()["trailList"]:
        try:
            if _logs_writes(trail):
                return True
        except (BotoCoreError, ClientError) as error:
            unknown = error
    if unknown:
        raise unknown
    return False


def _logs_writes(trail: Mapping[str, Any]) -> bool:
    client, arn = aws.cloudtrail(trail["HomeRegion"]), trail["TrailARN"]
    if not client.get_trail_status(Name=arn)["IsLogging"]:
        return False
    selectors = client.get_event_selectors(TrailName=arn)
    return any(map(_selects_writes, selectors.get("EventSelectors") or [])) or any(
        map(_advanced_selects_writes, selectors.get("AdvancedEventSelectors") or [])
    )


def _selects_writes(selector: Mapping[str, Any]) -> bool:
    return bool(selector.get("IncludeManagementEvents")) and selector.get("ReadWriteType") != "ReadOnly"


def _advanced_selects_writes(selector: Mapping[str, Any]) -> bool:
    fields = {field["Field"]: field for field in selector["FieldSelectors"]}
    if fields.get("eventCategory", {}).get("Equals") != ["Management"]:
        return False
    return bool(fields.get("readOnly", {}).get("Equals") != ["true"])
