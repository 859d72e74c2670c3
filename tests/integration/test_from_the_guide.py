"""``docs/from-the-guide.md``: the guide's examples as they stand there, and ours, make and start the same."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from pipeline_triggers.compile import files
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.compile.cloudformation import logical_id
from pipeline_triggers.documents import loader

from tests import PROJECT
from tests.localaws.local_aws import LocalAws
from tests.localaws.project import Project
from tests.sdk import run as run_with_sdk

STACK = "guide"
PIPELINES = {"churn-training": ("Instance_type", "Amount"), "churn-report": ("scheduled_time", "Time")}
SCHEDULES = ("once", "often", "last-friday", "features")
RULES = (("orders", "shop"), ("closed", "default"))


def blocks(language: str) -> list[str]:
    """Return the page's code in a language."""
    text = (PROJECT / "docs" / "from-the-guide.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def call(aws: LocalAws, command: str) -> None:
    """Make the call that a command of the AWS CLI makes."""
    _, service, operation, *options = shlex.split(command.replace("\\\n", " "))
    arguments = {}
    for option, value in zip(options[::2], options[1::2], strict=True):
        name = "".join(word.capitalize() for word in option.removeprefix("--").split("-"))
        # A pattern is a text for the API as well.
        structured = value[0] in "[{" and name != "EventPattern"
        arguments[name] = json.loads(value) if structured else value
    getattr(aws.client(service), operation.replace("-", "_"))(**arguments)


@dataclass(frozen=True)
class Guide:
    """Both ways, side by side in one account; ``described`` is the SDK's description of ``once``."""

    aws: LocalAws
    project: Project
    described: Mapping[str, str]

    @cached_property
    def group(self) -> str:
        """The group of the stack's schedules."""
        return self._resources(STACK)["ScheduleGroup"]

    @cached_property
    def ours(self) -> dict[str, str]:
        """What was deployed of the page's document."""
        return self._resources(self._resources(STACK)["TriggersStack"])

    def _resources(self, stack: str) -> dict[str, str]:
        listed = self.aws.client("cloudformation").list_stack_resources(StackName=stack)["StackResourceSummaries"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in listed}

    def schedules(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return their schedule and ours."""
        scheduler = self.aws.client("scheduler")
        physical = self.ours[logical_id(f"guide/{name}", "Schedule")]
        return scheduler.get_schedule(Name=name), scheduler.get_schedule(Name=physical, GroupName=self.group)

    def rules(self, name: str, bus: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return their rule and ours, with their targets and tags."""
        events = self.aws.client("events")

        def whole(physical: str) -> dict[str, Any]:
            rule = events.describe_rule(Name=physical, EventBusName=bus)
            targets = events.list_targets_by_rule(Rule=physical, EventBusName=bus)["Targets"]
            tags = events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
            return {**rule, "Targets": targets, "Tags": {tag["Key"]: tag["Value"] for tag in tags}}

        return whole(name), whole(self.ours[logical_id(f"guide/{name}", "Rule")])

    def started(self, pipeline: str, values: Mapping[str, str], count: int) -> bool:
        """Whether so many executions of a pipeline got these values, after some seconds at most."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            listed = self.aws.client("sagemaker").list_pipeline_executions(PipelineName=pipeline)
            arns = [one["PipelineExecutionArn"] for one in listed["PipelineExecutionSummaries"]]
            if [self.aws.execution_parameters(arn) for arn in arns].count(dict(values)) == count:
                return True
            time.sleep(0.1)
        return False


@pytest.fixture(scope="module")
def guide(new_project: Callable[[], Project]) -> Iterator[Guide]:
    """The page's Python with the real SDK, its commands as calls, its document deployed; in an account of their own."""
    with LocalAws.running() as aws:
        for pipeline, names in PIPELINES.items():
            declared = [{"Name": name, "Type": "String", "DefaultValue": "default"} for name in names]
            definition = {"Version": "2020-12-01", "Parameters": declared, "Steps": []}
            aws.create_pipeline(pipeline, json.dumps(definition))
        aws.client("events").create_event_bus(Name="shop")
        *made, deleted = blocks("python")
        described = json.loads(run_with_sdk("".join((*made, "import json\nprint(json.dumps(described))\n")), aws))
        for command in re.findall(r"^aws .*?(?=^aws |\Z)", "".join(blocks("sh")), re.DOTALL | re.MULTILINE):
            call(aws, command.partition("triggers ")[0].strip())
        project = new_project()
        (project.documents / "guide.yaml").write_text("".join(blocks("yaml")), encoding="utf-8")
        files.write(project.documents, compiler.compile_documents(loader.load(project.documents)))
        project.deploy(aws, STACK)
        yield Guide(aws, project, described)
        # What the page says last.
        run_with_sdk("".join((*made, deleted)), aws)
        with pytest.raises(aws.client("scheduler").exceptions.ResourceNotFoundException):
            aws.client("scheduler").get_schedule(Name="once")


def test_every_example_of_the_page_is_compared(guide: Guide) -> None:
    """The last rule is a schedule here."""
    ids = {trigger.id for trigger in loader.load(guide.project.documents).triggers}
    assert ids == {f"guide/{name}" for name in (*SCHEDULES, *(name for name, _ in RULES), "first-monday")}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_fires_when_the_guide_s_does(guide: Guide, name: str) -> None:
    """Different, as listed: group, start, role, description, and the target unless it is direct."""
    theirs, ours = guide.schedules(name)
    same = ("ScheduleExpression", "ScheduleExpressionTimezone", "State", "FlexibleTimeWindow", "EndDate")
    assert {field: ours.get(field) for field in same} == {field: theirs.get(field) for field in same}
    assert (theirs["GroupName"], ours["GroupName"]) == ("default", guide.group)
    assert "StartDate" not in ours
    assert ours["Description"].startswith(f"guide/{name}:")
    assert ours["Target"]["RoleArn"] != theirs["Target"]["RoleArn"]


def test_a_direct_schedule_has_the_guide_s_target(guide: Guide) -> None:
    """The same pipeline, with the same parameters."""
    theirs, ours = guide.schedules("features")
    for field in ("Arn", "SageMakerPipelineParameters"):
        assert ours["Target"][field] == theirs["Target"][field]
    assert "DeadLetterConfig" in ours["Target"]


@pytest.mark.parametrize(("name", "bus"), RULES)
def test_a_rule_matches_what_the_guide_s_does(guide: Guide, name: str, bus: str) -> None:
    """On the same bus, with its tags; different, as listed: description, and the targets unless they are direct."""
    theirs, ours = guide.rules(name, bus)
    assert json.loads(ours["EventPattern"]) == json.loads(theirs["EventPattern"])
    assert (ours["State"], ours.get("EventBusName")) == (theirs["State"], theirs.get("EventBusName"))
    assert ours["Description"] == f"guide/{name}: {theirs.get('Description', '')}"
    assert theirs["Tags"].items() <= ours["Tags"].items()


def test_direct_targets_are_the_guide_s(guide: Guide) -> None:
    """The same pipelines, with the same parameters."""
    theirs, ours = (
        [(target["Arn"], target["SageMakerPipelineParameters"]) for target in rule["Targets"]]
        for rule in guide.rules("closed", "default")
    )
    assert ours == theirs


def test_a_scheduled_rule_becomes_a_schedule(guide: Guide) -> None:
    """At the same times."""
    theirs = guide.aws.client("events").describe_rule(Name="first-monday")
    physical = guide.ours[logical_id("guide/first-monday", "Schedule")]
    ours = guide.aws.client("scheduler").get_schedule(Name=physical, GroupName=guide.group)
    assert ours["ScheduleExpression"] == theirs["ScheduleExpression"]
    assert ours["ScheduleExpressionTimezone"] == "UTC"
    assert ours["State"] == theirs["State"]
    assert ours["Description"] == f"guide/first-monday: {theirs['Description']}"


def test_an_event_starts_the_same_by_both_ways(guide: Guide) -> None:
    """The value that is always the same, and the one out of the event."""
    guide.aws.put_event({"source": "acme.shop", "detail-type": "Order", "detail": {"amount": 150}}, "shop")
    values = {"Instance_type": "ml.m5.4xlarge", "Amount": "150"}
    assert guide.started("churn-training", values, 2)
    (verdict,) = guide.aws.new_verdicts(STACK, "guide/orders", 1, "OnEvent")
    assert guide.aws.execution_parameters(verdict["execution_arn"]) == values


def test_several_pipelines_start_by_both_ways(guide: Guide) -> None:
    """Each with its own parameters."""
    guide.aws.put_event({"source": "acme.shop", "detail-type": "Month closed", "detail": {}})
    assert guide.started("churn-training", {"Amount": "0"}, 2)


def test_describe_shows_all_that_the_sdk_shows(guide: Guide) -> None:
    """By the names of the page's table; each has its own."""
    done = guide.aws.triggers(
        "describe", "guide/once", "--json", "--stack", STACK, "--documents", str(guide.project.documents)
    )
    (ours,) = json.loads(done.stdout)
    assert guide.described["Schedule_Expression"] == ours["fires"]["expression"] == "at(2099-12-13T10:15:20)"
    assert guide.described["Schedule_State"] == ours["state"] == "ENABLED"
    assert guide.described["Schedule_Arn"].endswith(":schedule/default/once")
    assert f":schedule/{guide.group}/" in ours["arn"]
    assert guide.described["Schedule_Role"].endswith(":role/scheduler")
    assert ":role/" in ours["role"]
    assert "Schedule_Start_Date" in guide.described
    assert "start" not in ours["fires"]
    assert ours["starts"] == [{"pipeline": "churn-training", "parameters": {}}]


def test_both_ways_at_once_are_warned_of(guide: Guide) -> None:
    """Whoever follows the page would start everything twice."""
    done = guide.aws.triggers("check", "--aws", "--documents", str(guide.project.documents))
    assert done.returncode == 0, done.stderr
    assert "Note: schedule default/often starts churn-training, as guide/" in done.stderr
    assert "Note: rule shop/orders starts churn-training, as guide/" in done.stderr
    assert f"{STACK}-" not in done.stderr
