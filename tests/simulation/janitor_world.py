"""An AWS account around the janitor, in memory, with what goes wrong at its calls.

Real boto3 clients call it, so that pages, retries and error codes are botocore's. moto answers for the Scheduler,
EventBridge and DynamoDB. SageMaker, CloudFormation and SQS are answered here, because moto's SageMaker says
ValidationException of a missing pipeline and knows none that is being deleted, its CloudFormation does not find a stack
by a resource, and its SQS has a clock of its own.
"""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest.mock import patch

import boto3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse
from moto.moto_api._internal import moto_api_backend
from pipeline_triggers import aws
from pipeline_triggers.account.references import Home
from pipeline_triggers.janitor import handler as janitor
from pipeline_triggers.janitor.cleanups import Terms
from pipeline_triggers.settings import janitor_settings, settings
from pipeline_triggers.telemetry import logger
from samcli.yamlhelper import yaml_parse

from functions import janitor as function
from tests import PROJECT
from tests.localaws import ACCOUNT, REGION
from tests.simulation.invocation import ENVIRONMENT, context, record, sleeping

HOME = Home("aws", ACCOUNT, REGION)
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/x"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"
TIME_OUT = 300  # seconds, as template.yaml says
WRITES = ("Create", "Delete", "Put", "Update", "Remove", "Send", "Publish", "Tag", "Untag")
REMOVALS = ("DeleteSchedule", "RemoveTargets", "DeleteRule")

JANITOR = {
    "PARTITION": "aws",
    "SNAPSHOT_TABLE": "snapshots",
    "SNAPSHOT_DAYS": "90",
    "MOST_REMOVALS": "50",
    "EMPTY_RULES": "remove",
    "IGNORE": "",
    "EVENT_BUS": "stack",
    "NOTIFICATION_TOPIC": "",
}


class Killed(BaseException):
    """What ends a function in the middle: no handler of exceptions sees it."""


@dataclass
class Account:
    """What is in the account, what was asked of it, and what goes wrong.

    ``before`` is called before each call with its name and its number from 1 on: it may change the account, raise
    Killed, or return the answer; each takes ``pace`` seconds. ``stacks`` tells of a physical id its type, its stack and
    its status.
    """

    pipelines: dict[str, float] = field(default_factory=dict)
    deleting: set[str] = field(default_factory=set)
    stacks: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    before: Callable[[str, int], AWSResponse | None] = lambda *_: None
    calls: list[str] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    queue: list[tuple[str, int | None]] = field(default_factory=list)
    quarantined: list[dict[str, Any]] = field(default_factory=list)
    invocations: int = 0
    now: float = 0.0
    pace: float = 0.05

    @contextmanager
    def installed(self) -> Iterator[Account]:
        """Put this account around the janitor."""
        hooked = {name: getattr(aws, name) for name in ("scheduler", "events", "patient_sagemaker")}
        with ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, {**ENVIRONMENT, **JANITOR}))
            stack.enter_context(mock_aws())
            for known in (settings, janitor_settings, *hooked.values(), aws.table):
                known.cache_clear()
                stack.callback(known.cache_clear)
            answer: Any = self._answer
            for make in hooked.values():
                make().meta.events.register_first("before-send", answer)
            aws.table("snapshots").meta.client.meta.events.register_first("before-send", answer)
            for target, name, instead in (
                (aws, "cloudformation", lambda: self),
                (aws, "sqs", lambda: self),
                # botocore asks every handler of a call: moto must not do what is answered here.
                (BotocoreStubber, "__call__", unless_answered(BotocoreStubber.__call__)),
                (logger.registered_handler, "stream", io.StringIO()),
                # botocore's pauses between its tries pass at once.
                (time, "sleep", sleeping(self._pass)),
            ):
                stack.enter_context(patch.object(target, name, instead))
            self.reset()
            yield self

    def reset(self, **fields: Any) -> None:
        """Begin anew, with nothing but the stack's own bus and table."""
        moto_api_backend.reset()
        fresh = Account(**fields)
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(fresh, name))
        events: Any = boto3.client("events")
        events.create_event_bus(Name="stack")
        table: Any = boto3.resource("dynamodb")
        table.create_table(TableName="snapshots", **_snapshot_table())
        self.configure()

    def configure(self, **environment: str) -> None:
        """Give the function's environment other values than the usual ones."""
        os.environ.update(JANITOR | environment)
        janitor_settings.cache_clear()

    def _pass(self, seconds: float) -> None:
        self.now += seconds

    def _call(self, name: str) -> AWSResponse | None:
        self.calls.append(name)
        self.now += self.pace
        return self.before(name, len(self.calls))

    def _answer(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        answer = self._own_answer(request, event_name.rpartition(".")[2])
        request.answered = answer is not None
        return answer

    def _own_answer(self, request: Any, name: str) -> AWSResponse | None:
        if (answer := self._call(name)) is not None:
            return answer
        body = json.loads(request.body) if request.body else {}
        match name:
            case "DescribePipeline":
                return self._described(body["PipelineName"])
            case "ListPipelines":
                since = body.get("CreatedAfter", -1)
                found = [{"PipelineName": name} for name, created in self.pipelines.items() if created > since]
                return answered(200, {"PipelineSummaries": found})
            case "PutEvents":
                self.told += [json.loads(entry["Detail"]) for entry in body["Entries"]]
        return None

    def _described(self, name: str) -> AWSResponse:
        if name in self.deleting:
            return answered(200, {"PipelineName": name, "PipelineStatus": "Deleting"})
        if name not in self.pipelines:
            return answered(400, {"__type": "ResourceNotFound", "message": f"Pipeline '{name}' does not exist."})
        return answered(200, {"PipelineName": name, "PipelineStatus": "Active"})

    def describe_stack_resources(self, PhysicalResourceId: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Answer with the first 100 resources of the stack that a resource belongs to, as CloudFormation does."""
        if wrong := self._call("DescribeStackResources"):
            raise refused("DescribeStackResources", wrong)
        if PhysicalResourceId not in self.stacks:
            message = f"Stack for {PhysicalResourceId} does not exist"
            raise refused("DescribeStackResources", answered(400, {"__type": "ValidationError", "message": message}))
        of_stack = self.stacks[PhysicalResourceId][1]
        return {
            "StackResources": [
                {"PhysicalResourceId": name, "ResourceType": kind, "StackName": stack, "ResourceStatus": status}
                for name, (kind, stack, status) in self.stacks.items()
                if stack == of_stack
            ][:100]
        }

    def send_message(self, **call: Any) -> None:
        """Take a message into the janitor's queue, or into its dead-letter queue."""
        self._call("SendMessage")
        if call["QueueUrl"] == ENVIRONMENT["QUEUE_URL"]:
            self.queue.append((call["MessageBody"], call.get("DelaySeconds")))
        else:
            self.quarantined.append(call)

    def deliver(self, body: str, message: str = "m", receives: int = 1) -> bool:
        """Hand a message to the function, and say whether it has done with it."""
        self.invocations += 1
        ends = self.now + TIME_OUT
        left: Any = context()
        left.get_remaining_time_in_millis = lambda: int((ends - self.now) * 1000)
        batch = {"Records": [record(message, body, receives)]}
        try:
            answer = function.handler(batch, left)
        except Killed:
            return False
        return answer == {"batchItemFailures": []}

    def work(self, body: str, most: int = 1000) -> None:
        """Deliver a message, and those with which its clean-up goes on, as SQS does."""
        self.queue.append((body, 0))
        for number in range(most):
            if not self.queue:
                return
            following, _ = self.queue.pop(0)
            receives = 1
            # The first message of a clean-up gives it its name; SQS keeps the id of one that comes back.
            while not self.deliver(following, f"m{number}", receives):
                receives += 1
                assert receives < janitor.LAST_RECEIVE + 2
        raise AssertionError("never done")

    def terms(self, **changed: Any) -> Terms:
        """Return how the stack wants it."""
        return Terms(
            **{
                "home": HOME,
                "ignore": (),
                "most": 50,
                "remove_empty_rules": True,
                "keep_days": 90,
                "table": "snapshots",
                **changed,
            }
        )

    def removals(self) -> list[str]:
        """Return the removing calls that were made."""
        return [name for name in self.calls if name in REMOVALS]

    def writes(self) -> list[str]:
        """Return the calls that were made and change something."""
        return [name for name in self.calls if name.startswith(WRITES)]


def unless_answered(ask_moto: Any) -> Any:
    """Ask moto only for what has no answer yet."""

    def ask(stubber: Any, event_name: str, request: Any, **more: Any) -> Any:
        return None if getattr(request, "answered", False) else ask_moto(stubber, event_name, request, **more)

    return ask


def answered(status: int, body: Mapping[str, Any]) -> AWSResponse:
    """Return what a service sends."""
    text = json.dumps(body).encode()
    headers: Any = {"Content-Type": "application/x-amz-json-1.1", "x-amzn-errortype": str(body.get("__type", ""))}
    return AWSResponse("https://aws", status, headers, MockRawResponse(text))


def refused(call: str, answer: AWSResponse) -> ClientError:
    """Return what boto3 raises for an answer that is an error."""
    body = json.loads(answer.content)
    details: Any = {"Error": {"Code": body["__type"], "Message": body["message"]}}
    details["ResponseMetadata"] = {"HTTPStatusCode": answer.status_code}
    return ClientError(details, call)


DENIED = {"__type": "AccessDeniedException", "message": "not you"}
THROTTLED = {"__type": "ThrottlingException", "message": "Rate exceeded"}


@cache
def _snapshot_table() -> dict[str, Any]:
    template = yaml_parse((PROJECT / "template.yaml").read_text(encoding="utf-8"))
    properties = template["Resources"]["SnapshotTable"]["Properties"]
    return {name: properties[name] for name in ("AttributeDefinitions", "KeySchema", "BillingMode")}


def put_schedule(name: str, target: Mapping[str, Any], group: str = "default", **more: Any) -> None:
    """Make a schedule."""
    scheduler: Any = boto3.client("scheduler")
    fields = {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}, **more}
    scheduler.create_schedule(Name=name, GroupName=group, Target={"RoleArn": ROLE, **target}, **fields)


def native(pipeline: str) -> dict[str, Any]:
    """Return a target that is a pipeline."""
    return {"Arn": ARN + pipeline}


def universal(pipeline: str) -> dict[str, Any]:
    """Return a target that calls StartPipelineExecution itself."""
    return {"Arn": UNIVERSAL, "Input": json.dumps({"PipelineName": pipeline})}


def put_rule(name: str, pipelines: Mapping[str, str], bus: str = "default", **more: Any) -> None:
    """Make a rule with targets: id → pipeline."""
    events: Any = boto3.client("events")
    events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source": ["x"]}', **more)
    targets = [{"Id": one, "Arn": ARN + pipeline, "RoleArn": ROLE} for one, pipeline in pipelines.items()]
    events.put_targets(Rule=name, EventBusName=bus, Targets=targets)


def schedules() -> set[str]:
    """Return the names of all schedules."""
    scheduler: Any = boto3.client("scheduler")
    pages = scheduler.get_paginator("list_schedules").paginate()
    return {f"{one['GroupName']}/{one['Name']}" for page in pages for one in page["Schedules"]}


def targets() -> set[str]:
    """Return all rules' targets, and rules that have none."""
    events: Any = boto3.client("events")
    found = set()
    for bus in events.list_event_buses()["EventBuses"]:
        for rule in events.list_rules(EventBusName=bus["Name"])["Rules"]:
            of_rule = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus["Name"])["Targets"]
            name = f"{bus['Name']}/{rule['Name']}"
            found |= {f"{name}/{target['Id']}" for target in of_rule} or {name}
    return found
