"""CloudFormation of ministack 1.5.33: stacks by one of their resources."""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import _stacks, handlers


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
        physical_id = handlers._p(parameters, "PhysicalResourceId")
        if not physical_id:
            return describe(parameters)
        for stack in _stacks.values():
            if any(
                resource.get("PhysicalResourceId") == physical_id for resource in stack.get("_resources", {}).values()
            ):
                return describe({**parameters, "StackName": [stack["StackName"]]})
        return handlers._error("ValidationError", f"Stack for {physical_id} does not exist")

    handlers._describe_stack_resources = found
    handlers._ACTION_HANDLERS["DescribeStackResources"] = found
