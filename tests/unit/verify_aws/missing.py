"""What moto does not have of what probes need: stacks (without further packages), model packages, endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.verify_aws.account import NAME

Parameters = Mapping[str, Any]
Answer = Callable[[Parameters], Any]


class Refused(Exception):
    """AWS refuses an operation with this code."""

    def __init__(self, code: str, message: str = "no") -> None:
        super().__init__(code)
        self.code, self.message = code, message


def refuse(code: str) -> Answer:
    """Refuse an operation."""

    def answer(_: Parameters) -> Any:
        raise Refused(code)

    return answer


class Missing:
    """One of each: the probes' stack, a group of model packages, an endpoint with a configuration."""

    def __init__(self) -> None:
        self.stack = self.group = self.package = self.endpoint = self.config = False

    def answers(self) -> dict[str, Answer]:
        """Return what stands for the operations, by their names."""
        return {
            "DescribeStacks": self._describe_stacks,
            "DescribeStackResource": self._describe_stack_resource,
            "DescribeStackResources": lambda _: {"StackResources": []},
            "ListStackResources": lambda _: {"StackResourceSummaries": _RESOURCES},
            "DeleteStack": self._set("stack", exists=False),
            "CreateModelPackageGroup": self._set("group", exists=True),
            "CreateModelPackage": self._set("package", exists=True, ModelPackageArn="arn:package"),
            "UpdateModelPackage": lambda _: {},
            "ListModelPackageGroups": self._list("group", "ModelPackageGroupSummaryList", ModelPackageGroupName=NAME),
            "ListModelPackages": self._list("package", "ModelPackageSummaryList", ModelPackageArn="arn:package"),
            "DeleteModelPackage": self._set("package", exists=False),
            "DeleteModelPackageGroup": self._delete_group,
            "CreateEndpoint": self._set("endpoint", exists=True),
            "ListEndpoints": self._list("endpoint", "Endpoints", EndpointName=NAME),
            "DescribeEndpoint": lambda _: {"EndpointStatus": "Creating"},
            "UpdateEndpoint": lambda _: {},
            "DeleteEndpoint": self._set("endpoint", exists=False),
            "DescribeEndpointConfig": lambda _: {"ProductionVariants": [{"VariantName": "main"}]},
            "CreateEndpointConfig": self._set("config", exists=True),
            "ListEndpointConfigs": self._list("config", "EndpointConfigs", EndpointConfigName=NAME),
            "DeleteEndpointConfig": self._set("config", exists=False),
        }

    def _describe_stacks(self, asked: Parameters) -> Any:
        if not self.stack and "StackName" in asked:
            raise Refused("ValidationError")
        outputs = [{"OutputKey": "OnEventLogGroup", "OutputValue": f"{NAME}-log"}]
        status = {"StackStatus": "CREATE_COMPLETE", "CreationTime": datetime.now(UTC)}
        return {"Stacks": [{"StackName": NAME, **status, "Outputs": outputs}] if self.stack else []}

    def _describe_stack_resource(self, asked: Parameters) -> Any:
        if not self.stack or asked["StackName"] != NAME:
            raise Refused("ValidationError")
        return {"StackResourceDetail": {"PhysicalResourceId": f"{NAME}-nested"}}

    def _delete_group(self, _: Parameters) -> Any:
        if self.package:
            raise Refused("ConflictException")
        self.group = False
        return {}

    def _set(self, kind: str, *, exists: bool, **answer: str) -> Answer:
        def change(_: Parameters) -> Any:
            setattr(self, kind, exists)
            return answer

        return change

    def _list(self, kind: str, member: str, **summary: str) -> Answer:
        return lambda _: {member: [summary] if getattr(self, kind) else []}


_RESOURCES = [
    {"ResourceType": "AWS::Events::Rule", "PhysicalResourceId": f"{NAME}-rule"},
    {"ResourceType": "AWS::Scheduler::Schedule", "PhysicalResourceId": f"{NAME}-schedule"},
]
