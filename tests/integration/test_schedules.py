"""Schedules → executions, through the deployed stack, or past its handlers: they really fire."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from tests.integration import STACK
from tests.localaws.local_aws import LocalAws

pytestmark = pytest.mark.xdist_group(STACK)


@pytest.fixture(scope="module")
def due(deployed: LocalAws, soon: datetime) -> LocalAws:
    """The same, when the time has come."""
    time.sleep(max(0, (soon - datetime.now(UTC)).total_seconds()))
    return deployed


def creation_time(aws: LocalAws, execution: str) -> datetime:
    """Return when an execution was started."""
    found: datetime = aws.client("sagemaker").describe_pipeline_execution(PipelineExecutionArn=execution)[
        "CreationTime"
    ]
    return found


def test_the_date_is_that_of_the_schedule_s_zone(deployed: LocalAws) -> None:
    """New year comes to Tokyo nine hours earlier; a second delivery for the same time starts nothing."""
    for outcome in ("STARTED", "DUPLICATE"):
        deployed.fire(STACK, "schedules/nightly", datetime(2025, 12, 31, 17, tzinfo=UTC))
        (verdict,) = deployed.new_verdicts(STACK, "schedules/nightly", 1, "OnEvent")
        assert verdict["outcome"] == outcome
    value = "2026-01-01 2026-01-01T02:00:00+09:00 Asia/Tokyo"
    assert deployed.execution_parameters(verdict["execution_arn"]) == {"Value": value}


def test_the_deployed_schedule_matches_the_document(deployed: LocalAws) -> None:
    """Read back from Scheduler."""
    nightly, often = (deployed.schedule(STACK, f"schedules/{name}") for name in ("nightly", "often"))
    assert nightly["ScheduleExpression"] == "cron(0 2 L * ? 2199)"
    assert nightly["ScheduleExpressionTimezone"] == "Asia/Tokyo"
    assert nightly["State"] == "ENABLED"
    assert nightly["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert nightly["Description"] == "schedules/nightly: For the day in Tokyo"
    assert often["ScheduleExpression"] == "rate(12 hours)"
    assert often["StartDate"] == datetime(2190, 1, 1, tzinfo=UTC)
    assert often["EndDate"] == datetime(2199, 12, 31, tzinfo=UTC)
    assert often["State"] == "DISABLED"
    assert often["FlexibleTimeWindow"] == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 30}
    for found in (nightly, often):
        assert f":{STACK}-OnEventQueue-" in found["Target"]["Arn"]
        assert f":role/{STACK}-ScheduleRole" in found["Target"]["RoleArn"]
        assert f"{STACK}-OnEventDeadLetterQueue" in found["Target"]["DeadLetterConfig"]["Arn"]
        assert found["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


def test_a_schedule_fires_once_at_its_time(due: LocalAws, soon: datetime) -> None:
    """The execution gets the scheduled time, and none is started before it."""
    (verdict,) = due.new_verdicts(STACK, "schedules/soon", 1, "OnEvent")
    assert verdict["outcome"] == "STARTED"
    assert verdict["subject"] == due.schedule(STACK, "schedules/soon")["Arn"]
    assert creation_time(due, verdict["execution_arn"]) >= soon
    value = f"{soon:%Y-%m-%dT%H:%M:%SZ} {soon:%Y-%m-%d}"
    assert due.execution_parameters(verdict["execution_arn"]) == {"Value": value}


def test_a_direct_schedule_starts_its_pipeline_by_itself(due: LocalAws, soon: datetime) -> None:
    """With the time that Scheduler fills in, and a role of its own."""
    (execution,) = due.executions("direct-schedule", 1)
    assert creation_time(due, execution) >= soon
    at = f"{soon:%Y-%m-%dT%H:%M:%SZ}"
    assert due.execution_parameters(execution) == {"Scheduled_at": at, "Kind": "daily"}
    assert "-DirectSchedule" in due.schedule(STACK, "schedules/direct-schedule")["Target"]["RoleArn"]


def test_a_direct_rule_starts_its_pipelines_by_itself(deployed: LocalAws) -> None:
    """With what EventBridge picks out of the event; no handler hears of it."""
    deployed.put_event({"source": "acme.shop", "detail-type": "Closed", "detail": {"months": ["2026-10"]}})
    (one,), (two,) = deployed.executions("direct-one", 1), deployed.executions("direct-two", 1)
    assert deployed.execution_parameters(one) == {"Month": "2026-10", "Kind": "monthly"}
    assert deployed.execution_parameters(two) == {}
    lines = deployed.log_lines(STACK, "OnEvent")
    assert not [line for line in lines if str(line.get("trigger")).startswith("schedules/direct")]
