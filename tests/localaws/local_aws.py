"""Start, use and stop the embedded AWS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from tests import PROJECT
from tests.localaws import ACCOUNT, HOST, REGION

_BIN = Path(sys.executable).parent

_PATIENCE = 30  # seconds for what takes less than one on an idle machine


class CommandFailed(Exception):
    """A ``sam`` command failed; the message is what it printed."""


@dataclass(frozen=True, eq=False)
class LocalAws:
    """A running embedded AWS. ``directory`` holds all its files and goes with it."""

    directory: Path
    port: int
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[LocalAws]:
        """Run an embedded AWS for the length of a ``with`` block."""
        directory = Path(tempfile.mkdtemp(prefix="localaws-"))
        log = directory / "engine.log"
        with log.open("wb") as output:
            engine = subprocess.Popen(
                [sys.executable, "-m", "tests.localaws.engine", str(directory)],
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                # Its own group: a Ctrl-C reaches the parent only, which then ends it in order.
                start_new_session=True,
            )
        assert engine.stdin
        assert engine.stdout
        try:
            line = engine.stdout.readline()
            if not line:
                raise CommandFailed(f"the embedded AWS did not start:\n{log.read_text()}")
            yield cls(directory, int(line))
        finally:
            engine.stdin.close()
            engine.wait()
            shutil.rmtree(directory, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which boto3, the AWS CLI and sam talk to it, and to nothing else."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": f"https://{HOST}:{self.port}",
            "AWS_CA_BUNDLE": str(self.directory / "localaws.crt"),
        }

    @cached_property
    def session(self) -> boto3.Session:
        """Return a boto3 session with the engine's credentials."""
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

    def client(self, service: Any) -> Any:
        """Return a boto3 client for the engine."""
        environment = self.environment
        return self.session.client(
            service, endpoint_url=environment["AWS_ENDPOINT_URL"], verify=environment["AWS_CA_BUNDLE"]
        )

    def sam(self, *arguments: str, project: Path = PROJECT) -> str:
        """Run the real ``sam`` in a project and return what it printed.

        Raises:
            CommandFailed: it exited with an error.

        """
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        done = subprocess.run(
            [str(_BIN / "sam"), *arguments],
            cwd=project,
            env={
                **inherited,
                **self.environment,
                "PATH": os.pathsep.join([str(_BIN), os.environ["PATH"]]),
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "SAM_CLI_POLL_DELAY": "1",
                "SAM_CLI_TELEMETRY": "0",
                "TMPDIR": str(self.directory),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(done.stdout)
        return done.stdout

    def build(self, stack: str, project: Path = PROJECT) -> Path:
        """Run ``sam build`` outside the project's own ``.aws-sam``, and return the built template."""
        directory = self.directory / f"build-{stack}"
        self.sam("build", "--build-dir", str(directory), project=project)
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

    def create_bucket(self, name: str) -> None:
        """Create a bucket that sends its events to EventBridge."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_notification_configuration(
            Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def create_pipeline(self, name: str, definition: str) -> None:
        """Create a pipeline, or give it another definition."""
        sagemaker = self.client("sagemaker")
        role = f"arn:aws:iam::{ACCOUNT}:role/pipelines"
        try:
            sagemaker.create_pipeline(PipelineName=name, PipelineDefinition=definition, RoleArn=role)
        except sagemaker.exceptions.ClientError:
            sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=definition)

    def execution_parameters(self, execution: str) -> dict[str, str]:
        """Return the parameters that an execution really received."""
        answer = self.client("sagemaker").list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
        return {parameter["Name"]: parameter["Value"] for parameter in answer["PipelineParameters"]}

    def new_verdicts(self, stack: str, trigger: str, count: int, handler: str = "OnS3Upload") -> list[dict[str, Any]]:
        """Wait for a trigger's next verdicts in its handler's log, in the order they fell.

        Raises:
            CommandFailed: they did not come in time.

        """
        log_group = self.outputs(stack)[f"{handler}LogGroup"]
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=log_group)
            lines = [
                json.loads(event["message"])
                for page in pages
                for event in page["events"]
                if '"verdict"' in event["message"]
            ]
            new = [line for line in lines if line["trigger"] == trigger][self._seen.get((stack, trigger), 0) :]
            if len(new) >= count:
                self._seen[stack, trigger] = self._seen.get((stack, trigger), 0) + count
                return new[:count]
            time.sleep(0.05)
        raise CommandFailed(f"no verdict of {trigger} within {_PATIENCE} s; the engine's log ends:\n{self.log_end()}")

    def log_end(self) -> str:
        """Return the end of the engine's log, the functions' output included."""
        return (self.directory / "engine.log").read_text(encoding="utf-8", errors="replace")[-5000:]
