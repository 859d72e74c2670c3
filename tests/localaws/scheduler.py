"""EventBridge Scheduler of ministack 1.5.33, made to list by pages and to refuse what AWS refuses."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from ministack.core import iam_actions
from ministack.services import scheduler
from ministack.services.cloudformation import _stacks, handlers

# AWS refuses a recurring schedule whose beginning lies further back.
_LEEWAY = 300  # seconds


def page() -> None:
    """List all schedules, by pages. ministack leaves out what does not fit on the first; goes when it has tokens."""
    list_schedules = scheduler._list_schedules

    def paged(query: dict[str, str]) -> Any:
        first, most = int(query.get("NextToken", 0)), int(query.get("MaxResults", 100))
        status, headers, body = list_schedules({**query, "MaxResults": "1000000000"})
        found = json.loads(body)["Schedules"]
        more = {"NextToken": str(first + most)} if len(found) > first + most else {}
        return status, headers, json.dumps({"Schedules": found[first : first + most], **more}).encode()

    scheduler._list_schedules = paged


def refuse_the_past() -> None:
    """Refuse a recurring schedule that began more than five minutes ago. Goes when ministack does."""
    for name in ("_create_schedule", "_update_schedule"):
        setattr(scheduler, name, _strict(getattr(scheduler, name)))


def _strict(call: Any) -> Any:
    def strict(name: str, body: dict[str, Any]) -> Any:
        start = scheduler._to_epoch(body.get("StartDate"))
        recurring = not body.get("ScheduleExpression", "").startswith("at(")
        if recurring and start is not None and start < time.time() - _LEEWAY:
            told = "The StartDate you specify cannot be earlier than 5 minutes ago."
            return scheduler._error(400, "ValidationException", told)
        return call(name, body)

    return strict


def find_stacks_by_resource() -> None:
    """Answer DescribeStackResources by a physical id with that resource's stack, and with no more than 100 resources.

    Goes when ministack does both.
    """

    def describe(parameters: Any) -> Any:
        status, headers, body = whole(parameters)
        *members, end = body.split(b"</member>")
        return status, headers, b"</member>".join([*members[:100], end])

    whole = handlers._describe_stack_resources

    def found(parameters: Any) -> Any:
        wanted = handlers._p(parameters, "PhysicalResourceId")
        if not wanted:
            return describe(parameters)
        for stack in _stacks.values():
            if any(resource.get("PhysicalResourceId") == wanted for resource in stack.get("_resources", {}).values()):
                return describe({**parameters, "StackName": [stack["StackName"]]})
        return handlers._error("ValidationError", f"Stack for {wanted} does not exist")

    handlers._describe_stack_resources = found
    handlers._ACTION_HANDLERS["DescribeStackResources"] = found


def enforce_iam() -> None:
    """Tell ministack's IAM the group of a schedule, and the rule that a call about targets or tags names.

    It takes every schedule for one of the group default, and such calls for calls on the bus; goes when it does not.
    """
    original = iam_actions.extract_resource_arn

    def extract(
        service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account: str
    ) -> Any:
        if service == "scheduler" and (named := re.fullmatch(r"/schedules/([^/]+)", path)):
            sent = json.loads(body or b"{}").get("GroupName")
            asked = (query.get("groupName") or [None])[0]
            return f"arn:aws:scheduler:{region}:{account}:schedule/{sent or asked or 'default'}/{named[1]}"
        if service == "events" and (asked := json.loads(body or b"{}")):
            if arn := asked.get("ResourceARN"):
                return arn
            name, bus = asked.get("Rule") or asked.get("Name"), asked.get("EventBusName") or "default"
            if name and "EventBus" not in headers.get("x-amz-target", ""):
                within = "" if bus == "default" else f"{bus}/"
                return f"arn:aws:events:{region}:{account}:rule/{within}{name}"
        return original(service, method, path, headers, body, query, region, account)

    iam_actions.extract_resource_arn = extract
