"""The account that probes look at: its clients, and everything that they create, which one name finds again.

Whatever a probe creates is named ``pipeline-triggers-verify…``. So the clean-up needs no notes of a run: it removes
what has that name, and a run that was killed anywhere is cleaned up by the next one.
"""

from __future__ import annotations

import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import boto3
from botocore.exceptions import ClientError, NoRegionError

T = TypeVar("T")

NAME = "pipeline-triggers-verify"
SOURCE = NAME  # of the events that probes publish

DEFINITION: dict[str, Any] = {
    "Version": "2020-12-01",
    "Parameters": [
        {"Name": "Flag", "Type": "Boolean", "DefaultValue": False},
        {"Name": "Text", "Type": "String", "DefaultValue": "none"},
        {"Name": "With_underscore", "Type": "String", "DefaultValue": "none"},
    ],
    # Its only step fails, so an execution ends at once and costs nothing.
    "Steps": [{"Name": "Fail", "Type": "Fail", "Arguments": {"ErrorMessage": "as intended"}}],
}


class NotSeen(Exception):
    """What a probe waited for did not come, or could not be asked for."""


def error_of(call: Callable[..., Any], *arguments: Any, **named: Any) -> dict[str, Any]:
    """Make a call, and return the code, status and message of AWS's refusal; nothing when AWS accepts it."""
    try:
        call(*arguments, **named)
    except ClientError as error:
        details, metadata = error.response["Error"], error.response["ResponseMetadata"]
        return {"code": details["Code"], "status": metadata["HTTPStatusCode"], "message": details["Message"]}
    return {}


@dataclass
class Account:
    """An account and Region.

    ``options`` are for each client. ``pace`` shortens all waiting, for the tests, but what is looked for has at least
    ``patience`` seconds to come.
    """

    session: boto3.Session
    environment: Mapping[str, str] = field(default_factory=dict)  # for sam and the clients of other credentials
    options: Mapping[str, Any] = field(default_factory=dict)
    pace: float = 1.0
    patience: float = 0
    endpoint_config: str = ""  # for the probe with an endpoint
    monitoring_schedule: str = ""  # of the account, for the same probe
    calls: int = 0
    _clients: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.session.region_name:
            raise NoRegionError
        identity = self.client("sts").get_caller_identity()
        self.partition, self.id = identity["Arn"].split(":")[1], identity["Account"]
        self.region = self.session.region_name

    def client(self, service: Any) -> Any:
        """Return a client, whose calls are counted."""
        if service not in self._clients:
            self._clients[service] = self.session.client(service, **self.options)
            self._clients[service].meta.events.register("before-send", self._count)
        return self._clients[service]

    def client_with(self, keys: Mapping[str, str], service: Any) -> Any:
        """Return a client with the credentials of a role, as STS gives them."""
        return self.session.client(
            service,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            **self.options,
        )

    def _count(self, **_: Any) -> None:
        self.calls += 1

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource here."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds * self.pace)

    def wait_for(self, what: str, look: Callable[[], T | None], seconds: float) -> tuple[T, float]:
        """Look until something is there; return it with the seconds that it took.

        Raises:
            NotSeen: it did not come in time.

        """
        begin = time.monotonic()
        end = begin + max(seconds * self.pace, self.patience)
        while True:
            if (found := look()) is not None:
                return found, time.monotonic() - begin
            if time.monotonic() >= end:
                break
            self.sleep(min(5, seconds / 20))
        raise NotSeen(f"{what} did not come within {seconds:.0f} s")

    def when_ready(
        self, what: str, passing: Collection[str], call: Callable[..., T], seconds: float, **arguments: Any
    ) -> T:
        """Make a call, again while AWS refuses it with a code that passes, as for what is still created or deleted.

        Raises:
            NotSeen: it was refused for too long.
            botocore.exceptions.ClientError: it was refused with another code.

        """

        def accepted() -> T | None:
            try:
                return call(**arguments)
            except ClientError as error:
                if error.response["Error"]["Code"] not in passing:
                    raise
                return None

        return self.wait_for(what, accepted, seconds)[0]

    # What probes create ------------------------------------------------------

    def role(self, name: str, service: str, statements: list[dict[str, Any]]) -> str:
        """Create a role that a service, or this account, assumes; return its ARN."""
        iam = self.client("iam")
        root = {"AWS": f"arn:{self.partition}:iam::{self.id}:root"}
        principal = {"Service": f"{service}.amazonaws.com"} if service else root
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=f"{NAME}-{name}", AssumeRolePolicyDocument=document)
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=f"{NAME}-{name}", PolicyName="probe", PolicyDocument=policy)
        return f"arn:{self.partition}:iam::{self.id}:role/{NAME}-{name}"

    def pipeline(self, suffix: str = "") -> str:
        """Create a pipeline with a Fail step, unless it exists; return its name."""
        sagemaker, name = self.client("sagemaker"), NAME + suffix
        role = self.role("pipelines", "sagemaker", [_allow(["logs:PutLogEvents"], "*")])
        arguments = {"PipelineName": name, "PipelineDefinition": json.dumps(DEFINITION), "RoleArn": role}

        def created() -> bool | None:
            """Whether the pipeline exists; a new role is not known everywhere at once."""
            if not error_of(sagemaker.create_pipeline, **arguments, ClientRequestToken=uuid.uuid4().hex):
                return True
            return None if error_of(sagemaker.describe_pipeline, PipelineName=name) else True

        self.wait_for(f"pipeline {name}", created, 60)
        return name

    def queue(self, name: str) -> tuple[str, str]:
        """Create a queue to which EventBridge may send, unless it exists; return its URL and ARN."""
        arn = self.arn("sqs", f"{NAME}-{name}")
        statement = {**_allow(["sqs:SendMessage"], arn), "Principal": {"Service": "events.amazonaws.com"}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        recent = {"QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently"}
        create, attributes = self.client("sqs").create_queue, {"Policy": policy}
        queue = f"{NAME}-{name}"
        created = self.when_ready(f"queue {queue}", recent, create, 120, QueueName=queue, Attributes=attributes)
        return str(created["QueueUrl"]), arn

    def listen(self, name: str, pattern: Mapping[str, Any]) -> str:
        """Send the events that match a pattern to a queue of their own; return its URL."""
        url, arn = self.queue(name)
        events = self.client("events")
        events.put_rule(Name=f"{NAME}-{name}", EventPattern=json.dumps(pattern))
        if failed := events.put_targets(Rule=f"{NAME}-{name}", Targets=[{"Id": "queue", "Arn": arn}])["FailedEntries"]:
            raise NotSeen(f"EventBridge refuses the queue as a target: {failed[0]['ErrorMessage']}")
        return url

    def next_event(self, url: str, wanted: Callable[[Any], bool], seconds: float) -> Any:
        """Return the next event in a queue that is the one in question."""
        sqs = self.client("sqs")

        def look() -> Any:
            # One at a time: the rest of a batch would be hidden from the next call.
            while messages := sqs.receive_message(QueueUrl=url).get("Messages"):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=messages[0]["ReceiptHandle"])
                body = json.loads(messages[0]["Body"])
                if wanted(body):
                    return body
            return None

        return self.wait_for("the event", look, seconds)[0]

    def bucket(self) -> str:
        """Create a versioned bucket that sends its events to EventBridge; return its name."""
        s3, name = self.client("s3"), f"{NAME}-{self.id}-{self.region}"
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
        where = {} if self.region == "us-east-1" else elsewhere
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            self.when_ready(f"bucket {name}", {"OperationAborted"}, s3.create_bucket, 600, Bucket=name, **where)
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        return name

    def schedule_group(self) -> str:
        """Create the group of the probes' schedules, unless it exists; return its name."""
        scheduler = self.client("scheduler")
        with suppress(scheduler.exceptions.ConflictException):
            scheduler.create_schedule_group(Name=NAME)
        return NAME

    def schedule(self, name: str, target: Mapping[str, Any], expression: str = "") -> None:
        """Create a schedule, which fires within two minutes unless an expression says when."""
        soon = datetime.now(UTC) + timedelta(seconds=90 * self.pace)
        self.client("scheduler").create_schedule(
            Name=name,
            GroupName=self.schedule_group(),
            ScheduleExpression=expression or f"at({soon:%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=target,
        )

    def function(self, name: str, code: str, statements: list[dict[str, Any]]) -> str:
        """Create a function of the handlers' runtime; return its name."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(zipfile.ZipInfo("probe.py"), code)
        role = self.role(name, "lambda", statements)
        lambda_ = self.client("lambda")

        def create() -> bool | None:
            refusal = error_of(
                lambda_.create_function,
                FunctionName=f"{NAME}-{name}",
                Runtime="python3.13",
                Architectures=["arm64"],
                Handler="probe.handler",
                Timeout=30,
                Role=role,
                Code={"ZipFile": archive.getvalue()},
            )
            return None if refusal.get("code") == "InvalidParameterValueException" else True  # the role is too new

        self.wait_for(f"function {name}", create, 60)
        self.wait_for(f"function {name}", lambda: self._active(f"{NAME}-{name}"), 60)
        return f"{NAME}-{name}"

    def _active(self, function: str) -> bool | None:
        state = self.client("lambda").get_function(FunctionName=function)["Configuration"].get("State", "Active")
        return True if state == "Active" else None

    def start(self, pipeline: str, token: str, description: str = "", **parameters: str) -> str:
        """Start a pipeline, and return the execution's ARN."""
        listed = [{"Name": name, "Value": value} for name, value in parameters.items()]
        answer = self.client("sagemaker").start_pipeline_execution(
            PipelineName=pipeline,
            ClientRequestToken=token,
            PipelineParameters=listed,
            **({"PipelineExecutionDescription": description} if description else {}),
        )
        return str(answer["PipelineExecutionArn"])


def _allow(actions: list[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": list(resources)}
