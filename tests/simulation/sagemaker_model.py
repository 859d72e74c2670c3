"""SageMaker's pipelines as far as handlers use them, in memory.

It checks what of a call does not fit the API's model, since botocore itself checks no patterns and no maxima.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

from tests.simulation.network import refusal


@dataclass
class SageMaker:
    """Pipelines and their executions.

    ``lag`` returns how late the next execution is listed, in seconds; ``spellings`` are those of a value that a start
    takes, all when there are none.
    """

    now: Callable[[], float]
    honours_tokens: bool = True
    lag: Callable[[], float] = lambda: 0
    declared: str = '{"Parameters": [{"Name": "Key"}]}'  # by each pipeline
    spellings: tuple[str, ...] = ()
    missing: bool = False  # the pipelines do not exist
    refuses: Callable[[Mapping[str, Any]], str | None] = lambda _: None  # a start → an error's code
    executions: list[dict[str, Any]] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # what of a start does not fit SageMaker's API

    # ruff: noqa: N803 - boto3's names

    def start_pipeline_execution(self, **call: Any) -> dict[str, str]:
        """Start, unless the token is remembered."""
        self.invalid += violations(call)
        self._must_exist("StartPipelineExecution")
        if code := self.refuses(call):
            raise refusal(code)("StartPipelineExecution")
        if self.spellings and call["PipelineParameters"][0]["Value"] not in self.spellings:
            raise refusal("ValidationException")("StartPipelineExecution")
        for execution in self.executions:
            if self.honours_tokens and execution["ClientRequestToken"] == call["ClientRequestToken"]:
                return {"PipelineExecutionArn": execution["arn"]}
        arn = f"arn:{len(self.executions)}"
        self.executions.append({**call, "arn": arn, "at": self.now(), "listed_at": self.now() + self.lag()})
        return {"PipelineExecutionArn": arn}

    def forget_tokens(self) -> None:
        """Forget the tokens of all that was started."""
        for execution in self.executions:
            execution["ClientRequestToken"] = ""

    def describe_pipeline(self, **_: str) -> dict[str, Any]:
        """Declare parameters."""
        self._must_exist("DescribePipeline")
        return {"PipelineDefinition": self.declared}

    def list_pipeline_executions(
        self, PipelineName: str, CreatedAfter: datetime, MaxResults: int, NextToken: str = "0", **order: str
    ) -> dict[str, Any]:
        """Return a page of the executions, those of the last moments left out."""
        assert order == {"SortBy": "CreationTime", "SortOrder": "Ascending"}
        listed = [
            {
                "PipelineExecutionDescription": one["PipelineExecutionDescription"],
                "PipelineExecutionArn": one["arn"],
                "PipelineExecutionStatus": one.get("status", "Executing"),
                "StartTime": datetime.fromtimestamp(one["at"], UTC),
            }
            for one in self.executions
            if one["PipelineName"] == PipelineName
            and CreatedAfter.timestamp() <= one["at"]
            and one.get("listed_at", 0) <= self.now()
        ]
        begin, end = int(NextToken), int(NextToken) + MaxResults
        more = {"NextToken": str(end)} if len(listed) > end else {}
        return {"PipelineExecutionSummaries": listed[begin:end], **more}

    def _must_exist(self, operation: str) -> None:
        if self.missing:
            raise refusal("ResourceNotFound")(operation)


@cache
def _input() -> Any:
    model = ServiceModel(Loader().load_service_model("sagemaker", "service-2"))
    return model.operation_model("StartPipelineExecution").input_shape


def violations(call: Mapping[str, Any]) -> list[str]:
    """Return where a call violates the service's model, and how."""
    return list(_violations("", _input(), call))


def _violations(path: str, shape: Any, value: Any) -> Iterator[str]:
    limits = shape.metadata
    size = value if isinstance(value, int) else len(value)
    if not limits.get("min", size) <= size <= limits.get("max", size):
        yield f"{path} has the size {size}, not {limits}"
    if isinstance(value, str) and "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        yield f"{path} is {value!r}, not {limits['pattern']}"
    if shape.type_name == "structure":
        for name in (value.keys() ^ shape.members.keys()) - (shape.members.keys() - set(shape.required_members)):
            yield f"{path}.{name} is missing, or not known"
        for name in value.keys() & shape.members.keys():
            yield from _violations(f"{path}.{name}", shape.members[name], value[name])
    if shape.type_name == "list":
        for member in value:
            yield from _violations(f"{path}[]", shape.member, member)
