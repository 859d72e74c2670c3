"""One embedded AWS for all tests that deploy, and copies of the project to deploy to it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import settings
from moto import mock_aws
from pipeline_triggers import aws as clients
from pipeline_triggers.compile import files
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import loader, schedules
from pipeline_triggers.settings import settings as settings_of
from samcli.yamlhelper import yaml_parse

from tests import PROJECT
from tests.localaws.local_aws import LocalAws
from tests.sdk import run as run_with_sdk
from tests.simulation.invocation import ENVIRONMENT

# The same examples every time, and no clock: a test must not need luck. `--hypothesis-profile=explore` looks further.
settings.register_profile("repeat", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=5000, deadline=None)
settings.load_profile("repeat")

STAGES = "dev: {RawBucket: raw-dev}\nprod: {RawBucket: raw-prod}\n"


@dataclass(frozen=True)
class Project:
    """A copy of the project with trigger documents of the test's own."""

    path: Path

    @property
    def documents(self) -> Path:
        """The folder of the trigger documents."""
        return self.path / "layers" / "triggers"

    def compile(self, triggers: str) -> None:
        """Write the team document ``team.yaml`` with these triggers, and compile them as the command does."""
        (self.documents / "team.yaml").write_text(
            f'version: 1\nowner: team\npipelines: ["*"]\ntriggers:\n{triggers}', encoding="utf-8"
        )
        loaded = loader.load(self.documents)
        past = schedules.past(loaded.triggers, datetime.now(UTC))
        files.write(self.documents, compiler.compile_documents(loaded, past))

    def deploy(self, aws: LocalAws, stack: str, stage: str = "dev", *parameters: str) -> None:
        """Build and deploy with the real sam."""
        aws.deploy(stack, aws.build(stack, self.path), f"Stage={stage}", *parameters, project=self.path)


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """An embedded AWS with IAM enforced, and the buckets of both stages."""
    with LocalAws.running() as running:
        for bucket in ("raw-dev", "raw-prod"):
            running.create_bucket(bucket)
        yield running


@pytest.fixture(scope="session")
def sdk(aws: LocalAws) -> Callable[[str], str]:
    """Run a script with the SageMaker SDK against the embedded AWS, and return the last line that it prints."""
    return partial(run_with_sdk, aws=aws)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Copy what a user deploys, into a path with a space."""

    def copy() -> Project:
        path = tmp_path_factory.mktemp("a project") / "pipeline triggers"
        for name in ("functions", "layers"):
            shutil.copytree(PROJECT / name, path / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("template.yaml", "samconfig.toml"):
            shutil.copy(PROJECT / name, path / name)
        project = Project(path)
        for document in project.documents.glob("*.yaml"):
            document.unlink()
        (project.documents / "stages.yaml").write_text(STAGES, encoding="utf-8")
        return project

    return copy


@pytest.fixture
def state_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The table of ``template.yaml`` in moto, and a handler's environment around it."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    template = yaml_parse((PROJECT / "template.yaml").read_text(encoding="utf-8"))
    properties = template["Resources"]["StateTable"]["Properties"]
    keys = {name: properties[name] for name in ("AttributeDefinitions", "KeySchema", "BillingMode")}
    settings_of.cache_clear()
    clients.table.cache_clear()
    with mock_aws():
        yield boto3.resource("dynamodb").create_table(TableName=ENVIRONMENT["STATE_TABLE"], **keys)
    settings_of.cache_clear()
    clients.table.cache_clear()


def pipeline_definition(parameters: Mapping[str, str]) -> str:
    """Return a definition that declares parameters: name → type."""
    declared = [{"Name": name, "Type": kind} for name, kind in parameters.items()]
    return json.dumps({"Version": "2020-12-01", "Parameters": declared, "Steps": []})
