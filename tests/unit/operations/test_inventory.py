"""What an account has that starts pipelines, in full, against moto's EventBridge, Scheduler and SageMaker."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from pipeline_triggers import aws
from pipeline_triggers.account.home import Home
from pipeline_triggers.operations.inventory import ExistingRule, ExistingSchedule, existing, pipeline_names

from tests.simulation.janitor_world import CloudFormation

REGION, ACCOUNT = "eu-central-1", "123456789012"
HOME = Home("aws", ACCOUNT, REGION)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/x"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue"


@pytest.fixture(autouse=True)
def the_account(monkeypatch: pytest.MonkeyPatch, empty_account: None) -> None:  # noqa: ARG001 - used by all
    """An empty account, whose CloudFormation knows no stack."""
    monkeypatch.setattr(aws, "cloudformation", CloudFormation)


def arn(pipeline: str) -> str:
    """Return a pipeline's ARN."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{pipeline}"


def put_rule(name: str, *targets: str, bus: str = "default", description: str = "") -> None:
    """Make a rule with these targets, and a tag."""
    events = boto3.client("events")
    tags: Any = [{"Key": "team", "Value": "shop"}]
    pattern = json.dumps({"source": ["acme.shop"]})
    events.put_rule(Name=name, EventBusName=bus, EventPattern=pattern, Description=description, Tags=tags)
    numbered: Any = [{"Id": str(at), "Arn": target, "RoleArn": ROLE} for at, target in enumerate(targets)]
    events.put_targets(Rule=name, EventBusName=bus, Targets=numbered)


def test_a_rule_comes_once_with_all_of_its_pipelines() -> None:
    """Its other targets are counted, its tags are read; a rule without pipelines is left out."""
    boto3.client("events").create_event_bus(Name="shop")
    put_rule("orders", arn("train"), QUEUE, arn("report"), bus="shop")
    put_rule("other", QUEUE)
    (found,) = existing(HOME, ())
    assert isinstance(found, ExistingRule)
    assert str(found) == "rule shop/orders"
    assert [pipeline.name for pipeline in found.pipelines] == ["train", "report"]
    assert (found.other_targets, found.tags, found.enabled) == (1, {"team": "shop"}, True)


def test_a_schedule_comes_with_all_that_getschedule_says() -> None:
    """Which the list of schedules does not."""
    target: Any = {"Arn": arn("train"), "RoleArn": ROLE}
    window: Any = {"Mode": "OFF"}
    scheduler = boto3.client("scheduler")
    scheduler.create_schedule(
        Name="hourly", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=window, Target=target, State="DISABLED"
    )
    (found,) = existing(HOME, ())
    assert isinstance(found, ExistingSchedule)
    assert (found.details["ScheduleExpression"], found.enabled) == ("rate(1 hour)", False)


def test_compiled_schedules_and_rules_are_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a stack's, and described by its trigger; a copy by hand is not ours, nor what only begins alike."""
    stacks = dict.fromkeys(("ours", "alike", "theirs"), ("AWS::Events::Rule", "some-stack", "CREATE_COMPLETE"))
    monkeypatch.setattr(aws, "cloudformation", lambda: CloudFormation(stacks))
    put_rule("ours", arn("train"), description="team/one: Orders")
    put_rule("copy", arn("train"), description="team/one: Orders")
    put_rule("alike", arn("train"), description="team/one-more: Orders")
    put_rule("theirs", arn("train"), description="Orders: all of them")
    found = {str(one): one for one in existing(HOME, {"team/one", "team/two"}) if isinstance(one, ExistingRule)}
    owned = {"rule default/alike": True, "rule default/copy": False, "rule default/theirs": True}
    assert {name: one.owner is not None for name, one in found.items()} == owned


def test_only_matching_things_are_read_in_full() -> None:
    """By its pipeline."""
    put_rule("one", arn("train"))
    put_rule("two", arn("report"))
    (found,) = existing(HOME, (), lambda pipeline: pipeline.name == "report")
    assert str(found) == "rule default/two"


def test_pipelines_are_known_by_their_lower_case() -> None:
    """Which an ARN may have, where the API wants the name."""
    boto3.client("sagemaker").create_pipeline(
        PipelineName="Train", PipelineDefinition="{}", RoleArn=ROLE, ClientRequestToken="t" * 32
    )
    assert pipeline_names() == {"train": "Train"}
