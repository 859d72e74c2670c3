"""IAM of ministack 1.5.33: the action of a call of SQS, the resource that one of Scheduler or EventBridge names."""

from __future__ import annotations

import json
import re
from typing import Any

from ministack.core import iam_actions


def name_resources() -> None:
    """Tell ministack's IAM the group of a schedule, and the rule that a call about targets or tags names.

    It takes every schedule for one of the group default, and such calls for calls on the bus; goes when it does not.
    """
    original = iam_actions.extract_resource_arn

    def extract(
        service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account: str
    ) -> Any:
        if service == "scheduler" and (named := re.fullmatch(r"/schedules/([^/]+)", path)):
            sent = json.loads(body or b"{}").get("GroupName")
            queried = (query.get("groupName") or [None])[0]
            return f"arn:aws:scheduler:{region}:{account}:schedule/{sent or queried or 'default'}/{named[1]}"
        if service == "events" and (request := json.loads(body or b"{}")):
            if arn := request.get("ResourceARN"):
                return arn
            name, bus = request.get("Rule") or request.get("Name"), request.get("EventBusName") or "default"
            if name and "EventBus" not in headers.get("x-amz-target", ""):
                within = "" if bus == "default" else f"{bus}/"
                return f"arn:aws:events:{region}:{account}:rule/{within}{name}"
        return original(service, method, path, headers, body, query, region, account)

    iam_actions.extract_resource_arn = extract


def name_actions() -> None:
    """Judge SQS's calls with several messages by the action of those with one, as AWS does.

    ministack has actions of its own for them; goes when it does not.
    """
    original = iam_actions.extract_iam_action

    def extract(*call: Any) -> str | None:
        action: str | None = original(*call)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = extract
