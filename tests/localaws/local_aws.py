"""Start, use and stop the embedded AWS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3

from tests import PROJECT
from tests.localaws import HOST, REGION

_BIN = Path(sys.executable).parent


class CommandFailed(Exception):
    """A ``sam`` command failed; the message is what it printed."""


@dataclass(frozen=True, eq=False)
class LocalAws:
    """A running embedded AWS. ``directory`` holds all its files and goes with it."""

    directory: Path
    port: int

    @classmethod
    @contextmanager
    def running(cls, *, iam: bool = False) -> Iterator[LocalAws]:
        """Run an embedded AWS for the length of a ``with`` block, with IAM enforced or not."""
        directory = Path(tempfile.mkdtemp(prefix="localaws-"))
        log = directory / "engine.log"
        with log.open("wb") as output:
            engine = subprocess.Popen(
                [sys.executable, "-m", "tests.localaws.engine", str(directory), *(["--iam"] if iam else [])],
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

    def deploy(self, stack: str, *, project: Path = PROJECT, parameters: tuple[str, ...] = ("Stage=dev",)) -> None:
        """Build and deploy a project with its own samconfig, as its users do."""
        build = self.directory / f"build-{stack}"
        self.sam("build", "--build-dir", str(build), project=project)
        self.sam(
            "deploy",
            *("--config-file", str(project / "samconfig.toml"), "--template-file", str(build / "template.yaml")),
            *("--stack-name", stack, "--s3-prefix", stack),
            *("--parameter-overrides", *parameters),
            project=project,
        )

    def outputs(self, stack: str) -> dict[str, str]:
        """Return a stack's outputs."""
        (described,) = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
