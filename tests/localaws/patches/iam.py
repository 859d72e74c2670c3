"""IAM of ministack 1.5.33: the actions of some calls, and the resources that some name."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions


def name_resources() -> None:
    """Tell ministack's IAM a schedule's group, a layer's version, and the rule that a call about targets names.

    It takes every schedule for one of the group default, leaves versions out, and takes such calls for calls on the
    bus; goes when it does not.
    """
    original = iam_actions.extract_resource_arn

    def extract(
        service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account: str
    ) -> Any:
        if service == "scheduler" and (named := re.fullmatch(r"/schedules/([^/]+)", path)):
            sent = json.loads(body or b"{}").get("GroupName")
            queried = (query.get("groupName") or [None])[0]
            return f"arn:aws:scheduler:{region}:{account}:schedule/{sent or queried or 'default'}/{named[1]}"
        if service == "lambda" and (layer := re.fullmatch(r"/[0-9-]+/layers/([^/]+)/versions/([0-9]+)", path)):
            name = unquote(layer[1]).rpartition(":")[2]
            return f"arn:aws:lambda:{region}:{account}:layer:{name}:{layer[2]}"
        if service == "events" and (request := json.loads(body or b"{}")):
            if arn := request.get("ResourceARN"):
                return arn
            name, bus = request.get("Rule") or request.get("Name"), request.get("EventBusName") or "default"
            if name and "EventBus" not in headers.get("x-amz-target", ""):
                within = "" if bus == "default" else f"{bus}/"
                return f"arn:aws:events:{region}:{account}:rule/{within}{name}"
        return original(service, method, path, headers, body, query, region, account)

    iam_actions.extract_resource_arn = extract


# Lambda's calls that read one thing, of which ministack knows others on the same path.
_READS = {
    r"/[0-9-]+/layers/[^/]+/versions/[0-9]+": "lambda:GetLayerVersion",
    r"/[0-9-]+/event-source-mappings/[^/]+": "lambda:GetEventSourceMapping",
    r"/[0-9-]+/functions/[^/]+/concurrency": "lambda:GetFunctionConcurrency",
}


def name_actions() -> None:
    """Judge SQS's calls with several messages by the action of those with one, and Lambda's that read by their own.

    ministack has actions of its own for the former, and takes the latter for others; goes when it does not.
    """
    original = iam_actions.extract_iam_action

    def extract(service: str, method: str, path: str, *call: Any) -> str | None:
        if service == "lambda" and method == "GET":
            for pattern, read in _READS.items():
                if re.fullmatch(pattern, unquote(path)):
                    return read
        action: str | None = original(service, method, path, *call)
        return action.removesuffix("Batch") if action and action.startswith("sqs:") else action

    iam_actions.extract_iam_action = extract
