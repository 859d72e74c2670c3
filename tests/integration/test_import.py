"""Schedules and rules that others made → ``triggers import`` → a document → the deployed stack, which does the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pipeline_triggers.compile import files
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.compile.cloudformation import logical_id
from pipeline_triggers.documents import loader

from tests.localaws import ACCOUNT
from tests.localaws.local_aws import LocalAws
from tests.localaws.project import Project
from tests.sdk import run as run_with_sdk

STACK = "moved-in"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"
ARN = f"arn:aws:sagemaker:eu-central-1:{ACCOUNT}:pipeline/Moved-In"
DETAIL = {"amount": [{"numeric": [">", 100]}], "n": ["1"]}
CLOSED = {"source": ["acme.shop"], "detail-type": ["Order"], "detail": DETAIL}

# As the SageMaker guide writes it, with the years moved on.
SDK = f"""
from datetime import datetime
from sagemaker.session import Session
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.triggers import PipelineSchedule

parameters = [ParameterString("Value", "default"), ParameterString("scheduled_time", "never")]
pipeline = Pipeline(name="Moved-In", parameters=parameters, steps=[], sagemaker_session=Session())
pipeline.create("{ROLE}")
pipeline.put_triggers(
    [
        PipelineSchedule(name="Once_At", at=datetime(2099, 12, 13, 10, 15, 20)),
        PipelineSchedule(name="every-5-minutes", rate=(5, "minutes")),
        PipelineSchedule(name="last-friday", cron="15 10 ? * 6L 2098-2099", enabled=False),
        PipelineSchedule(name="long-past", at=datetime(2023, 12, 13, 10, 15, 20)),
    ],
    role_arn="{ROLE}",
)
"""


@dataclass(frozen=True)
class Moved:
    """What the import said, and the project with its document deployed."""

    aws: LocalAws
    project: Project
    document: str
    printed: str

    def triggers(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command about the project's documents."""
        return self.aws.triggers(*arguments, "--documents", str(self.project.documents))

    def schedule(self, name: str) -> dict[str, Any]:
        """Return the deployed schedule of an imported trigger."""
        resources = self._resources(STACK)
        compiled = self._resources(resources["TriggersStack"])
        physical = compiled[logical_id(f"moved/{name}", "Schedule")]
        found = self.aws.client("scheduler").get_schedule(Name=physical, GroupName=resources["ScheduleGroup"])
        return dict(found)

    def rule(self, name: str, bus: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the deployed rule of an imported trigger, and its tags."""
        compiled = self._resources(self._resources(STACK)["TriggersStack"])
        events = self.aws.client("events")
        rule = events.describe_rule(Name=compiled[logical_id(f"moved/{name}", "Rule")], EventBusName=bus)
        return rule, events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]

    def _resources(self, stack: str) -> dict[str, str]:
        listed = self.aws.client("cloudformation").list_stack_resources(StackName=stack)["StackResourceSummaries"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in listed}


@pytest.fixture(scope="module")
def moved(new_project: Callable[[], Project]) -> Iterator[Moved]:
    """Schedules of the SDK, one as its feature processor makes them, a rule of boto3's; imported and deployed.

    In an account of its own: all that is in it is imported.
    """
    with LocalAws.running() as aws:
        _make(aws)
        project = new_project()
        output = project.documents / "moved.yaml"
        imported = aws.triggers(
            "import", "--team", "moved", "--output", str(output), "--documents", str(project.documents)
        )
        assert imported.returncode == 0, imported.stderr
        files.write(project.documents, compiler.compile_documents(loader.load(project.documents)))
        project.deploy(aws, STACK)
        yield Moved(aws, project, output.read_text(encoding="utf-8"), imported.stderr)


def _make(aws: LocalAws) -> None:
    run_with_sdk(SDK, aws)
    scheduler, events = aws.client("scheduler"), aws.client("events")
    values = [{"Name": "scheduled_time", "Value": "<aws.scheduler.scheduled-time>"}]
    target = {"Arn": ARN, "RoleArn": ROLE, "SageMakerPipelineParameters": {"PipelineParameterList": values}}
    berlin = {"ScheduleExpressionTimezone": "Europe/Berlin", "Description": "Features of the day"}
    window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    processor = {**berlin, "ScheduleExpression": "cron(0 2 * * ? *)", "FlexibleTimeWindow": window, "Target": target}
    scheduler.create_schedule(Name="feature-processor", **processor)
    events.create_event_bus(Name="moved-bus")
    tags = [{"Key": "team", "Value": "shop"}]
    events.put_rule(Name="orders", EventBusName="moved-bus", EventPattern=json.dumps(CLOSED), Tags=tags)
    values = [{"Name": "Value", "Value": "$.detail.amount"}]
    target = {"Id": "p", "Arn": ARN, "RoleArn": ROLE, "SageMakerPipelineParameters": {"PipelineParameterList": values}}
    events.put_targets(Rule="orders", EventBusName="moved-bus", Targets=[target])


@pytest.mark.parametrize(
    ("trigger", "theirs"),
    [
        ("once-at", "Once_At"),
        ("every-5-minutes", "every-5-minutes"),
        ("last-friday", "last-friday"),
        ("feature-processor", "feature-processor"),
    ],
)
def test_an_imported_schedule_fires_when_theirs_does(moved: Moved, trigger: str, theirs: str) -> None:
    """Its expression, zone, window and state are equal; its target, role, group and start are reported to differ."""
    theirs_is = moved.aws.client("scheduler").get_schedule(Name=theirs)
    ours_is = moved.schedule(trigger)
    same = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "State", "EndDate")
    assert {name: ours_is.get(name) for name in same} == {name: theirs_is.get(name) for name in same}
    assert "StartDate" not in ours_is
    assert ours_is["Target"]["Arn"].startswith(f"arn:aws:sqs:eu-central-1:{ACCOUNT}:{STACK}-OnEventQueue")


def test_an_imported_rule_matches_what_theirs_does(moved: Moved) -> None:
    """Number and text apart, on its own bus, with its tags."""
    rule, tags = moved.rule("orders", "moved-bus")
    assert json.loads(rule["EventPattern"]) == CLOSED
    assert rule["State"] == "ENABLED"
    assert {"Key": "team", "Value": "shop"} in tags


def test_an_imported_rule_starts_what_theirs_did(moved: Moved) -> None:
    """With the value that it took from the event."""
    event = {"source": "acme.shop", "detail-type": "Order", "detail": {"amount": 150, "n": "1"}}
    moved.aws.put_event(event, "moved-bus")
    (verdict,) = moved.aws.new_verdicts(STACK, "moved/orders", 1, "OnEvent")
    assert moved.aws.execution_parameters(verdict["execution_arn"]) == {"Value": "150"}


def test_an_imported_schedule_gives_the_scheduled_time(moved: Moved) -> None:
    """As Scheduler put it into theirs."""
    done = moved.triggers("run", "moved/feature-processor", "--stack", STACK, "--json")
    (verdict,) = json.loads(done.stdout)
    values = moved.aws.execution_parameters(verdict["execution_arn"])
    (name,) = values
    assert name == "scheduled_time"
    assert values[name].endswith("Z")


def test_unmoved_things_are_reported(moved: Moved) -> None:
    """On standard error, and in the document."""
    past = "schedule default/long-past: at(2023-12-13T10:15:20) in UTC has passed"
    assert f"Left out: {past}" in moved.printed
    assert f"# Left out: {past}" in moved.document
    assert "# Not carried over: its rate counts from the deploy" in moved.document
    assert moved.document.count("# Not carried over: its start, 20") == 2
    assert "aws scheduler delete-schedule --group-name default --name Once_At" in moved.document
    assert "aws events delete-rule --name orders --event-bus-name moved-bus" in moved.document


def test_unremoved_origins_are_warned_of(moved: Moved) -> None:
    """By the check before each deploy; what the stack made itself is none of it."""
    checked = moved.triggers("check", "--aws")
    assert checked.returncode == 0, checked.stderr
    notes = [line for line in checked.stderr.splitlines() if line.startswith("Note: ") and "both run" in line]
    names = ("schedule default/Once_At", "schedule default/every-5-minutes", "rule moved-bus/orders")
    assert all(any(note.startswith(f"Note: {name} starts Moved-In, as ") for note in notes) for name in names)
    # The one that is switched off does not run beside its trigger.
    assert len(notes) == 5


def test_an_existing_file_is_not_overwritten(moved: Moved) -> None:
    """It may have been edited since."""
    output = moved.project.documents / "moved.yaml"
    done = moved.triggers("import", "--output", str(output))
    assert done.returncode == 2
    assert "exists; name another file" in done.stderr
    assert output.read_text(encoding="utf-8") == moved.document
