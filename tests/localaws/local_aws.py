"""Start, use and stop the embedded AWS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from tests import PROJECT
from tests.localaws import ACCOUNT, HOST, REGION

_BIN = Path(sys.executable).parent
_NO_PROXY = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")

_ENDS = ("SUCCEEDED", "FAILED", "STOPPED")
_PATIENCE = 120  # seconds for what takes less than one on an idle machine: what fails takes long, not what is slow


class CommandFailed(Exception):
    """A ``sam`` command failed; the message is what it printed."""


@dataclass(frozen=True, eq=False)
class LocalAws:
    """A running embedded AWS. ``directory`` holds all its files and goes with it."""

    directory: Path
    port: int
    credentials: tuple[str, str, str | None] = ("test", "test", None)  # access key, secret key, session token
    _seen: dict[tuple[str, str, str, str | None], int] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[LocalAws]:
        """Run an embedded AWS for the length of a ``with`` block."""
        directory = Path(tempfile.mkdtemp(prefix="localaws-"))
        with (directory / "engine.log").open("w+b") as log:
            engine = subprocess.Popen(
                [sys.executable, "-m", "tests.localaws.engine", str(directory)],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                # Its own group: a Ctrl-C reaches the parent only, which then ends it in order.
                start_new_session=True,
            )
            assert engine.stdin
            assert engine.stdout
            try:
                line = engine.stdout.readline()
                if not line:
                    log.seek(0)
                    raise CommandFailed(f"the embedded AWS did not start:\n{log.read().decode(errors='replace')}")
                yield cls(directory, int(line))
            finally:
                engine.stdin.close()
                engine.wait()
                shutil.rmtree(directory, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which boto3, the AWS CLI and sam talk to it, and to nothing else."""
        return {
            "AWS_ACCESS_KEY_ID": self.credentials[0],
            "AWS_SECRET_ACCESS_KEY": self.credentials[1],
            **({"AWS_SESSION_TOKEN": self.credentials[2]} if self.credentials[2] else {}),
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": f"https://{HOST}:{self.port}",
            "AWS_CA_BUNDLE": str(self.directory / "localaws.crt"),
            # Python reads the lower-case name first; what the user has there stays.
            **{name: ",".join(filter(None, (_NO_PROXY, HOST, "localhost"))) for name in ("NO_PROXY", "no_proxy")},
        }

    @cached_property
    def session(self) -> boto3.Session:
        """Return a boto3 session that knows the engine's credentials, and nothing of the user's configuration."""
        nothing = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}
        return boto3.Session(
            aws_access_key_id=self.credentials[0],
            aws_secret_access_key=self.credentials[1],
            aws_session_token=self.credentials[2],
            region_name=REGION,
            botocore_session=botocore.session.Session(session_vars=nothing),
        )

    def client(self, service: Any) -> Any:
        """Return a boto3 client for the engine, made once: waiting asks again and again."""
        if service not in self._clients:
            environment = self.environment
            self._clients[service] = self.session.client(
                service,
                endpoint_url=environment["AWS_ENDPOINT_URL"],
                verify=environment["AWS_CA_BUNDLE"],
                config=Config(proxies={}),
            )
        return self._clients[service]

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def as_role(self, name: str, *policies: Path) -> LocalAws:
        """Return the same AWS as a new role sees it that has exactly these policies."""
        iam = self.client("iam")
        principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]
        for policy in policies:
            created = iam.create_policy(PolicyName=f"{name}-{policy.stem}", PolicyDocument=policy.read_text())["Policy"]
            iam.attach_role_policy(RoleName=name, PolicyArn=created["Arn"])
        session = self.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="tests")["Credentials"]
        keys = (session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
        return replace(self, credentials=keys)

    def sam(self, *arguments: str, project: Path = PROJECT) -> str:
        """Run the real ``sam`` in a project and return what it printed.

        Raises:
            CommandFailed: it exited with an error.

        """
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.Popen(
            # The minder ends sam, and what sam left, when this process is gone.
            [sys.executable, "-m", "tests.localaws.minder", str(self.directory), str(_BIN / "sam"), *arguments],
            cwd=project,
            env={
                **inherited,
                **self.environment,
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "PATH": os.pathsep.join([str(_BIN), os.environ["PATH"]]),
                "PYTHONPATH": str(PROJECT),
                "SAM_CLI_POLL_DELAY": "1",
                "SAM_CLI_TELEMETRY": "0",
                "TMPDIR": str(self.directory),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.stdout
        assert done.stdin
        with done.stdin:
            printed = done.stdout.read()
            done.wait()
        if done.returncode:
            raise CommandFailed(printed)
        return printed

    def triggers(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the ``triggers`` command against it."""
        environment = {"PATH": os.environ["PATH"], **self.environment}
        command = [str(_BIN / "triggers"), *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def build(self, stack: str, project: Path = PROJECT) -> Path:
        """Run ``sam build`` beside the project's own build, and return the built template.

        It builds only what has changed since it last built in this folder, as users' builds do not: they also see
        that compiled files are older than the compiler.
        """
        directory = project / ".aws-sam" / stack
        self.sam("build", "--cached", "--build-dir", str(directory), project=project)
        return directory / "template.yaml"

    def deploy(self, stack: str, template: Path, *parameters: str, project: Path = PROJECT) -> None:
        """Run ``sam deploy`` with the project's own samconfig, as its users do."""
        self.sam(
            "deploy",
            *("--config-file", str(project / "samconfig.toml"), "--template-file", str(template)),
            *("--stack-name", stack, "--s3-prefix", stack, "--parameter-overrides", *parameters),
            project=project,
        )

    def outputs(self, stack: str) -> dict[str, str]:
        """Return a stack's outputs."""
        (described,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}

    def physical_id(self, stack: str, name: str) -> str:
        """Return what CloudFormation has called a resource of a stack."""
        answer = self.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=name)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def create_bucket(self, name: str) -> None:
        """Create a bucket that sends its events to EventBridge, unless it exists."""
        s3 = self.client("s3")
        with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def create_pipeline(self, name: str, definition: str, *, runs: bool = False) -> None:
        """Create a pipeline, or give it another definition; with ``runs`` its executions run until they are stopped."""
        sagemaker = self.client("sagemaker")
        role = f"arn:aws:iam::{ACCOUNT}:role/pipelines"
        tags = [{"Key": "runs", "Value": "until stopped"}] if runs else []
        try:
            sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=definition, RoleArn=role, Tags=tags)
        except sagemaker.exceptions.ClientError:
            sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=definition)

    def delete_pipeline(self, name: str, *, trail: bool = True) -> None:
        """Delete a pipeline; ``trail``: one logs it, so that EventBridge hears of it."""
        self.client("sagemaker").delete_pipeline(PipelineName=name, ClientRequestToken="0" * 32)
        if trail:
            self.put_event(deletion(name))

    def running_executions(self, pipeline: str) -> list[str]:
        """Return the executions of a pipeline that run now."""
        listed = self.client("sagemaker").list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]
        return [one["PipelineExecutionArn"] for one in listed if one["PipelineExecutionStatus"] == "Executing"]

    def stop_execution(self, execution: str) -> None:
        """Stop an execution, so that EventBridge hears of it."""
        self.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn=execution, ClientRequestToken="0" * 32)
        self.put_event(end(execution))

    def put_schedule(self, name: str, pipeline: str) -> None:
        """Make a schedule that starts a pipeline, as the SageMaker SDK does."""
        self.client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression="cron(0 2 * * ? *)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{pipeline}",
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/pipelines",
            },
        )

    def clean_up(self, stack: str, pipeline: str | None) -> dict[str, Any]:
        """Wait for what a clean-up after a pipeline, or of a sweep, reports in the janitor's log."""
        line = self.log_line(
            stack,
            lambda line: line["message"] == "clean-up" and line["cleanup"]["pipeline"] == pipeline,
            "Janitor",
        )
        return dict(line["cleanup"])

    def create_endpoint(self, name: str, config: str) -> None:
        """Create an endpoint that captures data, with its configuration and a model, unless they exist."""
        sagemaker = self.client("sagemaker")
        role, model = f"arn:aws:iam::{ACCOUNT}:role/endpoints", f"{name}-model"
        variant = {"VariantName": "main", "ModelName": model, "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        capture = {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": "s3://acme-monitoring/capture",
            "CaptureOptions": [{"CaptureMode": "Input"}],
        }
        for create, arguments in (
            (
                sagemaker.create_model,
                {"ModelName": model, "ExecutionRoleArn": role, "PrimaryContainer": {"Image": "model"}},
            ),
            (
                sagemaker.create_endpoint_config,
                {"EndpointConfigName": config, "ProductionVariants": [variant], "DataCaptureConfig": capture},
            ),
            (sagemaker.create_endpoint, {"EndpointName": name, "EndpointConfigName": config}),
        ):
            with suppress(sagemaker.exceptions.ClientError):
                create(**arguments)

    def run_monitor(
        self, job: str, schedule: str | None, message: str, output: str, endpoint: str | None = None
    ) -> None:
        """Let a monitoring schedule of an endpoint run, as a processing job that ended with a message.

        Without a schedule, the job is one of its own.
        """
        tags = {"schedule": schedule, "exit-message": message, "endpoint": endpoint}
        self.client("sagemaker").create_processing_job(
            ProcessingJobName=job,
            ProcessingResources={
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 20}
            },
            AppSpecification={"ImageUri": "monitor"},
            RoleArn=f"arn:aws:iam::{ACCOUNT}:role/monitor",
            ProcessingOutputConfig={
                "Outputs": [
                    {
                        "OutputName": "result",
                        "S3Output": {"S3Uri": output, "LocalPath": "/opt/ml/output", "S3UploadMode": "EndOfJob"},
                    }
                ]
            },
            Tags=[{"Key": key, "Value": value} for key, value in tags.items() if value is not None],
        )

    def put_event(self, event: Mapping[str, Any], bus: str = "default") -> None:
        """Publish an event, as EventBridge writes it, on a bus."""
        entry = {"Source": event["source"], "DetailType": event["detail-type"], "Detail": json.dumps(event["detail"])}
        entry |= {"EventBusName": bus, "Resources": event.get("resources", [])}
        answer = self.client("events").put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise CommandFailed(str(answer))

    def schedule(self, stack: str, trigger: str) -> dict[str, Any]:
        """Return a trigger's deployed schedule, as Scheduler describes it."""
        cloudformation, scheduler = self.client("cloudformation"), self.client("scheduler")
        resource = cloudformation.describe_stack_resource(StackName=stack, LogicalResourceId="ScheduleGroup")
        group = resource["StackResourceDetail"]["PhysicalResourceId"]
        pages = scheduler.get_paginator("list_schedules").paginate(GroupName=group)
        # ministack lists those of all groups.
        names = [one["Name"] for page in pages for one in page["Schedules"] if one["GroupName"] == group]
        found = [scheduler.get_schedule(Name=name, GroupName=group) for name in names]
        (schedule,) = [one for one in found if one["Description"].startswith(f"{trigger}: ")]
        return dict(schedule)

    def fire(self, stack: str, trigger: str, time: datetime | None = None) -> None:
        """Let a trigger's deployed schedule fire now, or for a time that has passed: a copy of it, for that moment."""
        schedule = self.schedule(stack, trigger)
        self.client("scheduler").create_schedule(
            Name=f"copy-{uuid.uuid4()}",
            GroupName=schedule["GroupName"],
            ScheduleExpression=f"at({time or datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=schedule["Target"],
        )

    def executions(self, pipeline: str, count: int) -> list[str]:
        """Wait for a pipeline's executions, and return their ARNs.

        Raises:
            CommandFailed: they did not come in time.

        """
        sagemaker = self.client("sagemaker")

        def started() -> list[str]:
            listed = sagemaker.list_pipeline_executions(PipelineName=pipeline)["PipelineExecutionSummaries"]
            return [one["PipelineExecutionArn"] for one in listed] if len(listed) >= count else []

        found: list[str] = self._wait_for(f"execution of {pipeline}", started)
        return found

    def execution_parameters(self, execution: str) -> dict[str, str]:
        """Return the parameters that an execution really received."""
        answer = self.client("sagemaker").list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
        return {parameter["Name"]: parameter["Value"] for parameter in answer["PipelineParameters"]}

    def new_verdicts(
        self, stack: str, trigger: str, count: int, handler: str = "OnS3Upload", subject: str | None = None
    ) -> list[dict[str, Any]]:
        """Wait for a trigger's next verdicts in its handler's log, of one subject or of all, in the order they fell.

        Raises:
            CommandFailed: they did not come in time.

        """
        seen = (stack, trigger, handler, subject)

        def new() -> list[dict[str, Any]]:
            lines = [line for line in self.log_lines(stack, handler) if line["message"] == "verdict"]
            lines = [line for line in lines if line["outcome"] not in _ENDS]  # of runs, which the sweep may note now
            verdicts = [line for line in lines if line["trigger"] == trigger and subject in (None, line.get("subject"))]
            return verdicts[self._seen.get(seen, 0) :][:count]

        found: list[dict[str, Any]] = self._wait_for(
            f"verdict of {trigger}", lambda: lines if len(lines := new()) == count else None
        )
        self._seen[seen] = self._seen.get(seen, 0) + count
        return found

    def quarantined(self, stack: str, handler: str = "OnS3Upload") -> dict[str, Any]:
        """Take the next message from a handler's dead-letter queue: its body, and its attributes' texts."""
        sqs, queue = self.client("sqs"), self.outputs(stack)[f"{handler}DeadLetterQueueUrl"]
        (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MessageAttributeNames=["All"])["Messages"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        attributes = {name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()}
        return {"body": message["Body"], **attributes}

    def log_line(self, stack: str, matches: Callable[[dict[str, Any]], bool], handler: str = "OnS3Upload") -> Any:
        """Wait for a line in a handler's log, and return it.

        Raises:
            CommandFailed: it did not come in time.

        """
        return self._wait_for("such line", lambda: next(filter(matches, self.log_lines(stack, handler)), None))

    def log_lines(self, stack: str, handler: str) -> list[dict[str, Any]]:
        """Return the lines that a handler's logger wrote."""
        log_group = self.outputs(stack)[f"{handler}LogGroup"]
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=log_group)
        texts = [event["message"] for page in pages for event in page["events"]]
        return [json.loads(text) for text in texts if text.startswith('{"level"')]

    def _wait_for(self, what: str, found: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if answer := found():
                return answer
            time.sleep(0.05)
        raise CommandFailed(f"no {what} within {_PATIENCE} s; the engine's log ends:\n{self.log_end()}")

    def log_end(self) -> str:
        """Return the end of the engine's log, the functions' output included."""
        return (self.directory / "engine.log").read_text(encoding="utf-8", errors="replace")[-5000:]


def deletion(name: str) -> dict[str, Any]:
    """Return CloudTrail's event of a DeletePipeline."""
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{name.lower()}"
    detail = {
        "eventVersion": "1.11",
        "eventSource": "sagemaker.amazonaws.com",
        "eventName": "DeletePipeline",
        "awsRegion": REGION,
        "requestParameters": {"pipelineName": name, "clientRequestToken": "0" * 32},
        "responseElements": {"pipelineArn": arn},
        "readOnly": False,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    about = {"source": "aws.sagemaker", "detail-type": "AWS API Call via CloudTrail", "resources": []}
    return {**about, "account": ACCOUNT, "region": REGION, "detail": detail}


def end(execution: str) -> dict[str, Any]:
    """Return SageMaker's event about an execution that was stopped."""
    pipeline = execution.partition("/execution/")[0]
    detail = {
        "pipelineArn": pipeline,
        "pipelineExecutionArn": execution,
        "currentPipelineExecutionStatus": "Stopped",
        "previousPipelineExecutionStatus": "Executing",
    }
    about = {
        "source": "aws.sagemaker",
        "detail-type": "SageMaker Model Building Pipeline Execution Status Change",
        "resources": [pipeline, execution],
    }
    return {**about, "account": ACCOUNT, "region": REGION, "detail": detail}


def pipeline_definition(parameters: Mapping[str, str]) -> str:
    """Return a definition that declares parameters: name → type."""
    declared = [{"Name": name, "Type": kind} for name, kind in parameters.items()]
    return json.dumps({"Version": "2020-12-01", "Parameters": declared, "Steps": []})
