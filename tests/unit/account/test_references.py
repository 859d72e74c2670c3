"""What in an account points at pipelines."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from pipeline_triggers.account import pipelines, references
from pipeline_triggers.account.home import Home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.account.references import Reference

HOME = Home("aws", "123456789012", "eu-central-1")
ARN = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/"
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"
ROLE = "arn:aws:iam::123456789012:role/x"


@pytest.fixture
def account(empty_account: None) -> None:
    """Moto's Scheduler and EventBridge, which list by pages and find rules by the exact ARN, as AWS does."""


def put_schedule(name: str, target: dict[str, Any], group: str = "default") -> None:
    """Make a schedule."""
    scheduler: Any = boto3.client("scheduler")
    scheduler.create_schedule(
        Name=name,
        GroupName=group,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"RoleArn": ROLE, **target},
    )


def universal(text: str) -> dict[str, Any]:
    """Return a target that calls StartPipelineExecution itself."""
    return {"Arn": UNIVERSAL, "Input": text}


def walked(only: Pipeline | None = None) -> list[Reference]:
    """Return what points at any pipeline, or at one; all of it can be read."""
    pages = list(references.pages(HOME, only=only))
    assert [page.unread for page in pages] == [()] * len(pages)
    return [reference for page in pages for reference in page.references]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train", ("123456789012", "eu-central-1", "train")),
        (f"{ARN}Train", ("123456789012", "eu-central-1", "train")),
        (f"{ARN}train".replace("eu-central-1", "us-east-1"), ("123456789012", "us-east-1", "train")),
        (f"{ARN}train".replace("123456789012", "210987654321"), ("210987654321", "eu-central-1", "train")),
        (f"{ARN}train/execution/abc", None),
        (f"{ARN}train-", None),
        ("a" * 256, ("123456789012", "eu-central-1", "a" * 256)),
        ("a" * 257, None),
        (f"a{'-' * 3000}b", None),
        (f"{ARN}a{'-' * 255}b", None),
        ("trai\N{LATIN SMALL LETTER LONG S}n", None),
        ("\N{KELVIN SIGN}train", None),
        (f"{ARN}train\n", None),
        ("arn:aws:sqs:eu-central-1:123456789012:train", None),
        (None, None),
    ],
)
def test_a_pipeline_is_read_from_its_arn_or_its_name(text: object, expected: tuple[str, ...] | None) -> None:
    """Account, Region and the name in lower case make two spellings one."""
    found = pipelines.parse(text, HOME)
    assert (found and found.key) == expected


@pytest.mark.usefixtures("account")
def test_schedules_of_every_group_and_page_are_found() -> None:
    """By their target's ARN, or by the name or ARN in what a universal target sends."""
    boto3.client("scheduler").create_schedule_group(Name="team")
    for number in range(120):
        put_schedule(f"other-{number}", {"Arn": "arn:aws:sqs:eu-central-1:123456789012:q"})
    put_schedule("native", {"Arn": f"{ARN}train"})
    put_schedule("in-group", {"Arn": f"{ARN}Train"}, "team")
    put_schedule("by-name", universal(json.dumps({"PipelineName": "train"})), "team")
    put_schedule("by-arn", universal(json.dumps({"PipelineName": f"{ARN}train-v2"})))
    put_schedule("unquoted", universal('{"PipelineName": "train", "N": <aws.scheduler.attempt-number>}'))
    put_schedule("not-known", universal('{"PipelineName": "train-<aws.scheduler.attempt-number>"}'))
    put_schedule("no-json", universal("train"))
    put_schedule("no-name", universal('["train"]'))
    assert {str(reference): reference.pipeline.name for reference in walked()} == {
        "schedule default/native": "train",
        "schedule team/in-group": "Train",
        "schedule team/by-name": "train",
        "schedule default/by-arn": "train-v2",
        "schedule default/unquoted": "train",
    }


@pytest.mark.usefixtures("account")
def test_rules_targets_on_every_bus_are_found() -> None:
    """In a walk, and by the pipeline in both spellings of its ARN."""
    events: Any = boto3.client("events")
    events.create_event_bus(Name="own")
    for bus, rule, name in (("default", "r1", "train"), ("own", "r2", "Train"), ("own", "r3", "train-v2")):
        events.put_rule(Name=rule, EventBusName=bus, EventPattern='{"source": ["x"]}')
        other = {"Id": "q", "Arn": "arn:aws:sqs:eu-central-1:123456789012:q"}
        events.put_targets(Rule=rule, EventBusName=bus, Targets=[{"Id": "p", "Arn": ARN + name}, other])
    everything = {str(reference) for reference in walked()}
    assert everything == {"target p of rule default/r1", "target p of rule own/r2", "target p of rule own/r3"}
    of_train = walked(Pipeline(HOME.account, HOME.region, "Train"))
    assert {str(reference) for reference in of_train} == everything - {"target p of rule own/r3"}


@pytest.mark.usefixtures("account")
def test_a_walk_goes_on_where_it_stopped() -> None:
    """A position says what is left."""
    for number in range(250):
        put_schedule(f"s-{number:03}", {"Arn": f"{ARN}train"})
    first = next(references.pages(HOME))
    assert first.looked_at == 100
    rest = list(references.pages(HOME, first.after))
    names = {str(reference) for page in (first, *rest) for reference in page.references}
    assert len(names) == 250
    assert rest[-1].after is None
