"""Deleted pipelines → what they left behind is removed, through the deployed stack, with the real SageMaker SDK."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration import STACK
from tests.localaws import ACCOUNT, REGION
from tests.localaws.local_aws import LocalAws, deletion, pipeline_definition

pytestmark = pytest.mark.xdist_group(STACK)

ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipelines"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/"

# What the SDK's users write: a pipeline and its neighbour, each with three ways to start it by the clock.
SDK = """
from datetime import datetime, timedelta, timezone
from sagemaker.session import Session
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.triggers import PipelineSchedule

for name in ("Train", "Train-v2"):
    pipeline = Pipeline(name=name, steps=[], sagemaker_session=Session())
    pipeline.create("ROLE")
    pipeline.put_triggers([
        PipelineSchedule(name=name + "-at", at=datetime.now(timezone.utc) + timedelta(days=3)),
        PipelineSchedule(name=name + "-rate", rate=(12, "hours")),
        PipelineSchedule(name=name + "-cron", cron="0 2 * * ? *", enabled=False),
    ], role_arn="ROLE")
Pipeline(name="Train", steps=[], sagemaker_session=Session()).delete()
print("done")
""".replace("ROLE", ROLE)

# How a schedule that was made long ago would be kept.
LONG_AGO = "2026-01-01T06:00:00+00:00"


def rules(aws: LocalAws) -> set[str]:
    """Return the rules of the two buses."""
    found = ((bus, aws.client("events").list_rules(EventBusName=bus)["Rules"]) for bus in ("default", "team"))
    return {f"{bus}/{rule['Name']}" for bus, listed in found for rule in listed}


def schedules(aws: LocalAws) -> dict[str, dict[str, Any]]:
    """Return all schedules."""
    scheduler = aws.client("scheduler")
    pages = scheduler.get_paginator("list_schedules").paginate()
    found = [summary for page in pages for summary in page["Schedules"]]
    return {one["Name"]: scheduler.get_schedule(Name=one["Name"], GroupName=one["GroupName"]) for one in found}


def put_schedule(aws: LocalAws, name: str, target: dict[str, Any], group: str = "default", **more: Any) -> None:
    """Make a schedule."""
    aws.client("scheduler").create_schedule(
        Name=name,
        GroupName=group,
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"RoleArn": ROLE, **target},
        **more,
    )


def test_the_sdk_s_schedules_go_with_their_pipeline_and_come_back(
    deployed: LocalAws, sdk: Callable[[str], str]
) -> None:
    """With its expression, state, end, target and role; a past start can't come back, as AWS refuses it."""
    assert sdk(SDK) == "done"
    before = schedules(deployed)
    assert {f"Train-{kind}" for kind in ("at", "rate", "cron")} < before.keys()
    deployed.put_event(deletion("Train"))
    report = deployed.clean_up(STACK, "Train")
    gone = {"Train-at", "Train-rate", "Train-cron"}
    assert {one["what"] for one in report["removed"]} == {f"schedule default/{name}" for name in gone}
    assert before.keys() - schedules(deployed).keys() == gone
    begin_long_ago(deployed, "Train-rate", "Train-cron")
    restored = deployed.triggers(*report["restore"][0].split()[1:], "--json")
    assert restored.returncode == 0, restored.stderr
    assert {line["outcome"] for line in json.loads(restored.stdout)} == {"restored"}
    after = schedules(deployed)
    for name in gone:
        for field in ("ScheduleExpression", "State", "EndDate", "Target", "FlexibleTimeWindow", "GroupName"):
            assert after[name].get(field) == before[name].get(field), f"{name}: {field}"
    assert "StartDate" not in after["Train-cron"]
    moved = after["Train-rate"]["StartDate"]
    assert datetime.now(UTC) < moved < datetime.now(UTC) + timedelta(hours=12)
    assert (moved - datetime.fromisoformat(LONG_AGO)) % timedelta(hours=12) == timedelta(0)
    told_of = {line["what"]: line["why"] for line in json.loads(restored.stdout)}
    assert LONG_AGO in told_of["schedule default/Train-cron"]
    assert LONG_AGO in told_of["schedule default/Train-rate"]


def begin_long_ago(aws: LocalAws, *names: str) -> None:
    """Let snapshots be of schedules that were made long ago."""
    table = next(
        name for name in aws.client("dynamodb").list_tables()["TableNames"] if name.startswith(f"{STACK}-Snap")
    )
    for name in names:
        aws.client("dynamodb").update_item(
            TableName=table,
            Key={"pipeline": {"S": "train"}, "thing": {"S": f"schedule/default/{name}"}},
            UpdateExpression="SET was.StartDate = :start",
            ExpressionAttributeValues={":start": {"S": LONG_AGO}},
        )


def test_the_embedded_aws_refuses_a_past_start(deployed: LocalAws) -> None:
    """As AWS does, more than five minutes back; so what is restored is what AWS would take."""
    scheduler = deployed.client("scheduler")
    with pytest.raises(scheduler.exceptions.ValidationException, match="5 minutes ago"):
        put_schedule(deployed, "late", {"Arn": f"{ARN}echo"}, StartDate=datetime.fromisoformat(LONG_AGO))


def test_all_references_to_a_pipeline_are_removed_and_restored(deployed: LocalAws) -> None:
    """In other groups, by universal targets, as rules' targets on every bus; what is ignored stays."""
    scheduler, events = deployed.client("scheduler"), deployed.client("events")
    scheduler.create_schedule_group(Name="team")
    events.create_event_bus(Name="team")
    universal = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"
    for name in ("Plain", "Plain-v2"):
        deployed.create_pipeline(name, pipeline_definition({}))
        put_schedule(deployed, f"{name}-native", {"Arn": ARN + name.lower()}, "team")
        put_schedule(deployed, f"{name}-universal", {"Arn": universal, "Input": json.dumps({"PipelineName": name})})
        for bus in ("default", "team"):
            events.put_rule(Name=f"{name}-rule", EventBusName=bus, EventPattern='{"source": ["x"]}')
            target = {"Id": "p", "Arn": ARN + name, "RoleArn": ROLE}
            events.put_targets(Rule=f"{name}-rule", EventBusName=bus, Targets=[target])
    put_schedule(deployed, "etl-plain", {"Arn": f"{ARN}Plain"})
    before, rules_before = schedules(deployed), rules(deployed)
    deployed.delete_pipeline("Plain")
    report = deployed.clean_up(STACK, "Plain")
    assert len(report["removed"]) == 4
    assert [(one["what"], one["reason"]) for one in report["kept"]] == [
        ("schedule default/etl-plain", "JanitorIgnore matches it: etl-*")
    ]
    assert before.keys() - schedules(deployed).keys() == {"Plain-native", "Plain-universal"}
    assert rules_before - rules(deployed) == {"default/Plain-rule", "team/Plain-rule"}
    done = deployed.triggers("restore", "--stack", STACK, "--pipeline", "plain")
    assert done.returncode == 0, done.stderr
    assert schedules(deployed).keys() == before.keys()
    assert rules(deployed) == rules_before


def test_a_sweep_reports_orphans_and_what_cloudformation_owns(deployed: LocalAws) -> None:
    """The daily message, as the Scheduler sends it; the stack's own direct schedule is kept, and nothing is removed."""
    deployed.create_pipeline("Missed", pipeline_definition({}))
    put_schedule(deployed, "missed", {"Arn": f"{ARN}Missed"})
    deployed.delete_pipeline("Missed")
    deployed.clean_up(STACK, "Missed")
    deployed.triggers("restore", "--stack", STACK, "missed")
    deployed.client("sagemaker").delete_pipeline(PipelineName="direct", ClientRequestToken="0" * 32)
    sweep = deployed.physical_id(STACK, "JanitorSweep")
    target = schedules(deployed)[sweep]["Target"]
    queue = target["Arn"].rpartition(":")[2]
    url = deployed.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    deployed.client("sqs").send_message(QueueUrl=url, MessageBody=target["Input"])
    report = deployed.clean_up(STACK, None)
    assert "schedule default/missed" in {one["what"] for one in report["found"]}
    assert report["removed"] == []
    (owned,) = [one for one in report["kept"] if one["pipeline"] == "direct"]
    assert owned["reason"].startswith(f"it belongs to the stack {STACK}-TriggersStack")
    listed = json.loads(deployed.triggers("orphans", "--stack", STACK, "--json").stdout)
    assert {line["what"] for line in listed if line["outcome"] == "orphan"} == {one["what"] for one in report["found"]}
