"""An AWS account around the janitor, in memory, with what goes wrong at its calls.

Real boto3 clients call it, so that pages, retries and error codes are botocore's. moto answers for Scheduler,
EventBridge and DynamoDB. SageMaker, CloudFormation and SQS have fakes of their own here: moto's SageMaker answers
ValidationException for a missing pipeline and knows none that is being deleted, its CloudFormation finds no stack by a
resource, and its SQS has a clock of its own.
"""

from __future__ import annotations

import io
import json
import os
import re
import time
import uuid
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
from pipeline_triggers.account.home import Home
from pipeline_triggers.settings import janitor_settings, settings
from pipeline_triggers.telemetry import logger

from functions import janitor as function
from tests.clients import forget_clients
from tests.localaws import ACCOUNT, REGION
from tests.localaws.local_aws import deletion
from tests.simulation.invocation import ENVIRONMENT, context, record, sleeping
from tests.tools.templates import written

HOME = Home("aws", ACCOUNT, REGION)
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/x"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"
TIME_OUT = 300  # seconds, as template.yaml says
WRITES = ("Create", "Delete", "Put", "Update", "Remove", "Send", "Publish", "Tag", "Untag")
PIPELINE_NAME = re.compile("[a-zA-Z0-9](-*[a-zA-Z0-9]){0,255}")
# The messages of the janitor: the daily sweep, and the deletion of a pipeline ``Train``.
SWEEP = '{"sweep": "remove"}'
DELETED = json.dumps({"deletion": deletion("Train")})

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


# Called before each call to AWS with its name and its number from 1 on: it may change the account, raise Killed, or
# return the answer.
Before = Callable[[str, int], AWSResponse | None]


@dataclass
class SageMaker:
    """The account's pipelines by their names, each with its creation as a Unix time.

    ``deleting`` are being deleted, and ``denied`` an explicit deny keeps from being described.
    """

    pipelines: dict[str, float] = field(default_factory=dict)
    deleting: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)

    def answer(self, call: str, request: Mapping[str, Any]) -> AWSResponse | None:
        """Answer a call; None when it is not SageMaker's."""
        match call:
            case "DescribePipeline":
                return self._describe(request["PipelineName"])
            case "ListPipelines":
                since = request.get("CreatedAfter", -1)
                names = [name for name, created in self.pipelines.items() if created > since]
                return answered(200, {"PipelineSummaries": [{"PipelineName": name} for name in names]})
        return None

    def _describe(self, name: str) -> AWSResponse:
        if not PIPELINE_NAME.fullmatch(name) or len(name) > 256:
            return answered(400, {"__type": "ValidationException", "message": "1 validation error detected"})
        if name in self.denied:
            return answered(400, {"__type": "AccessDeniedException", "message": "with an explicit deny"})
        if name in self.deleting:
            return answered(200, {"PipelineName": name, "PipelineStatus": "Deleting"})
        if name not in self.pipelines:
            return answered(400, {"__type": "ResourceNotFound", "message": f"Pipeline '{name}' does not exist."})
        return answered(200, {"PipelineName": name, "PipelineStatus": "Active"})


@dataclass
class CloudFormation:
    """The resources of stacks: by the physical id a resource's type, its stack and its status.

    It stands for boto3's client.
    """

    resources: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    before: Callable[[str], AWSResponse | None] = lambda _: None

    def describe_stack_resources(self, PhysicalResourceId: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        """Answer with the first 100 resources of the stack that a resource belongs to, as CloudFormation does."""
        if error := self.before("DescribeStackResources"):
            raise client_error("DescribeStackResources", error)
        if PhysicalResourceId not in self.resources:
            message = f"Stack for {PhysicalResourceId} does not exist"
            missing = answered(400, {"__type": "ValidationError", "message": message})
            raise client_error("DescribeStackResources", missing)
        stack_of_it = self.resources[PhysicalResourceId][1]
        return {
            "StackResources": [
                {"PhysicalResourceId": name, "ResourceType": kind, "StackName": stack, "ResourceStatus": status}
                for name, (kind, stack, status) in self.resources.items()
                if stack == stack_of_it
            ][:100]
        }


@dataclass
class Queues:
    """The janitor's queue, with each message's delay (None: the queue's own), and its dead-letter queue.

    It stands for boto3's client. ``sent`` is called when the queue has taken a message, and may raise Killed.
    """

    messages: list[tuple[str, int | None]] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)
    before: Callable[[str], AWSResponse | None] = lambda _: None
    sent: Callable[[], None] = lambda: None

    def send_message(self, **call: Any) -> None:
        """Take a message."""
        self.before("SendMessage")
        if call["QueueUrl"] == ENVIRONMENT["QUEUE_URL"]:
            self.messages.append((call["MessageBody"], call.get("DelaySeconds")))
            self.sent()
        else:
            self.dead.append(call)


@dataclass
class Account:
    """The account around the janitor: the services, the calls that were made, and what goes wrong at them.

    Each call takes ``pace`` seconds of the time ``now``; ``reports`` are the events that the janitor put, and
    ``handled`` the messages that the function has handled.
    """

    sagemaker: SageMaker = field(default_factory=SageMaker)
    cloudformation: CloudFormation = field(default_factory=CloudFormation)
    queues: Queues = field(default_factory=Queues)
    before: Before = lambda *_: None
    calls: list[str] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    handled: list[tuple[str, str]] = field(default_factory=list)
    invocations: int = 0
    now: float = 0.0
    pace: float = 0.05

    @contextmanager
    def installed(self) -> Iterator[Account]:
        """Put this account around the janitor."""
        clients = [getattr(aws, name) for name in ("scheduler", "events", "event_bus", "patient_sagemaker")]
        with ExitStack() as stack:
            stack.enter_context(patch.dict(os.environ, {**ENVIRONMENT, **JANITOR}))
            stack.enter_context(mock_aws())
            for forget in (settings.cache_clear, janitor_settings.cache_clear, forget_clients):
                forget()
                stack.callback(forget)
            answer: Any = self._answer
            for client in clients:
                client().meta.events.register_first("before-send", answer)
            aws.dynamodb().meta.events.register_first("before-send", answer)
            for target, name, instead in (
                (aws, "cloudformation", lambda: self.cloudformation),
                (aws, "sqs", lambda: self.queues),
                # botocore asks every handler of a call: moto must not do what is answered here.
                (BotocoreStubber, "__call__", unless_answered(BotocoreStubber.__call__)),
                (logger.registered_handler, "stream", io.StringIO()),
                # botocore's pauses between its tries pass at once.
                (time, "sleep", sleeping(self._pass)),
            ):
                stack.enter_context(patch.object(target, name, instead))
            self.reset()
            yield self

    def reset(self, *pipelines: str) -> None:
        """Begin anew, with these pipelines and nothing else but the stack's own bus and table."""
        moto_api_backend.reset()
        for name, fresh in vars(Account()).items():
            setattr(self, name, fresh)
        self.sagemaker.pipelines = dict.fromkeys(pipelines, 0.0)
        self.cloudformation.before = self.queues.before = self._call
        events = _client("events")
        events.create_event_bus(Name="stack")
        _client("dynamodb").create_table(TableName="snapshots", **_snapshot_table())
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
        """Answer a call of a real client in place of moto, or leave it to moto with None."""
        body = json.loads(request.body) if request.body else {}
        is_claim = body.get("Item", {}).get("thing", {}).get("S", "").startswith("step ")
        call = "PutItem claim" if is_claim else event_name.rpartition(".")[2]
        answer = self._call(call) or self.sagemaker.answer(call, body)
        if call == "PutEvents" and answer is None:
            self.reports += [json.loads(entry["Detail"]) for entry in body["Entries"]]
        request.answered = answer is not None
        return answer

    def deliver(self, body: str, message: str = "m", receives: int = 1, age: float = 0) -> bool:
        """Hand a message, of an age in seconds, to the function; return whether that has handled it."""
        self.invocations += 1
        ends = self.now + TIME_OUT
        left: Any = context()
        left.get_remaining_time_in_millis = lambda: int((ends - self.now) * 1000)
        batch = {"Records": [record(message, body, receives, time.time() - age)]}
        try:
            answer = function.handler(batch, left)
        except Killed:
            return False
        self.handled.append((body, message))
        return answer == {"batchItemFailures": []}

    def work(self, body: str, limit: int = 1000) -> None:
        """Deliver a message, and those with which its clean-up goes on, as SQS does."""
        self.queues.messages.append((body, 0))
        for _ in range(limit):
            if not self.queues.messages:
                return
            following, _ = self.queues.messages.pop(0)
            receives = 1
            # The first message of a clean-up gives it its name; SQS keeps the id of one that comes back.
            message = uuid.uuid4().hex
            while not self.deliver(following, message, receives):
                receives += 1
                assert receives < 10
        raise AssertionError("never done")

    def removals(self) -> list[str]:
        """Return the removing calls that were made."""
        return [name for name in self.calls if name in REMOVALS]

    def writes(self) -> list[str]:
        """Return the calls that were made and change something; each message claims its step, too."""
        return [name for name in self.calls if name.startswith(WRITES) and name != "PutItem claim"]


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


def client_error(call: str, answer: AWSResponse) -> ClientError:
    """Return what boto3 raises for an answer that is an error."""
    body = json.loads(answer.content)
    details: Any = {"Error": {"Code": body["__type"], "Message": body["message"]}}
    details["ResponseMetadata"] = {"HTTPStatusCode": answer.status_code}
    return ClientError(details, call)


DENIED = {"__type": "AccessDeniedException", "message": "not you"}
THROTTLED = {"__type": "ThrottlingException", "message": "Rate exceeded"}


@cache
def _client(service: str) -> Any:
    """Return a client whose calls are not the janitor's; clients take their time to make."""
    new: Any = boto3.client
    return new(service)


@cache
def _snapshot_table() -> dict[str, Any]:
    template = written()
    properties = template["Resources"]["SnapshotTable"]["Properties"]
    return {name: properties[name] for name in ("AttributeDefinitions", "KeySchema", "BillingMode")}


def put_schedule(name: str, target: Mapping[str, Any], group: str = "default", **more: Any) -> None:
    """Make a schedule."""
    scheduler = _client("scheduler")
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
    events = _client("events")
    events.put_rule(Name=name, EventBusName=bus, EventPattern='{"source": ["x"]}', **more)
    targets = [{"Id": one, "Arn": ARN + pipeline, "RoleArn": ROLE} for one, pipeline in pipelines.items()]
    events.put_targets(Rule=name, EventBusName=bus, Targets=targets)


def schedules() -> set[str]:
    """Return the names of all schedules."""
    scheduler = _client("scheduler")
    pages = scheduler.get_paginator("list_schedules").paginate()
    return {f"{one['GroupName']}/{one['Name']}" for page in pages for one in page["Schedules"]}


def targets() -> set[str]:
    """Return all rules' targets, and rules that have none."""
    events = _client("events")
    found = set()
    for bus in events.list_event_buses()["EventBuses"]:
        for rule in events.list_rules(EventBusName=bus["Name"])["Rules"]:
            of_rule = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus["Name"])["Targets"]
            name = f"{bus['Name']}/{rule['Name']}"
            found |= {f"{name}/{target['Id']}" for target in of_rule} or {name}
    return found


def everything() -> None:
    """Let each kind of pointer point at ``train``, and one of each kind at ``train-v2``."""
    scheduler = _client("scheduler")
    events = _client("events")
    scheduler.create_schedule_group(Name="team")
    events.create_event_bus(Name="team")
    for name in ("train", "train-v2"):
        put_schedule(f"native-{name}", native(name))
        put_schedule(f"upper-{name}", native(name.capitalize()), "team")
        put_schedule(f"universal-{name}", universal(name), "team")
        put_rule(f"rule-{name}", {"p": name})
        put_rule(f"upper-{name}", {"p": name.capitalize()}, "team")
    put_rule("both", {"train": "train", "train-v2": "train-v2"}, "team")


# What of that has to stay when ``train`` is gone.
NEIGHBOURS = (
    {"default/native-train-v2", "team/upper-train-v2", "team/universal-train-v2"},
    {"default/rule-train-v2/p", "team/upper-train-v2/p", "team/both/train-v2"},
)
