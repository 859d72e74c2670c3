"""Schedules: what is wrong with them, what has passed, and what is compiled."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import boto3
import pytest
import yaml
from click.testing import CliRunner, Result
from pipeline_triggers.cli import main
from pipeline_triggers.compile import cloudformation, files
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import schedules
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import Problem
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.operations import check_account, cloudtrail, overlaps

from tests.unit.documents.checking import HEAD, problems

NOW = datetime(2027, 6, 1, 12, tzinfo=UTC)


def schedule(**fields: str) -> Trigger:
    """Return a trigger on a schedule."""
    return Trigger("team/one", When("schedule", fields), (Start("train", {}),))


def compiled(trigger: Trigger, past: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """Return the properties of the compiled schedules."""
    stages = {"dev": {"Zone": "Europe/Berlin"}, "prod": {"Zone": "UTC"}}
    stack = yaml.safe_load(compiler.compile_documents(Documents((trigger,), stages), past)["stack.yaml"])
    return [found["Properties"] for found in stack["Resources"].values() if found["Type"] == "AWS::Scheduler::Schedule"]


# ---- what is wrong


@pytest.mark.parametrize(
    "fields",
    [
        {"cron": "0 2 * * ? *", "timezone": "Europe/Berlin"},
        {"rate": "5 minutes"},
        {"rate": "1 day", "timezone": "Asia/Tokyo", "jitter": "1440"},
        {"rate": "1 hour", "start": "2027-01-01T00:30:00+01:00", "end": "2027-01-01T00:00:00Z"},
        {"cron": f"{','.join(['0'] * 120)} 22 * * ? *", "timezone": "UTC"},  # 256 characters with cron(…) around it
        {"at": "2027-12-13T10:15:20", "timezone": "UTC"},
        {"at": "2027-10-31T02:30:00", "timezone": "Europe/Berlin"},  # comes twice, and Scheduler fires once
        {"at": "2027-03-28T02:30:00", "timezone": "UTC"},
    ],
)
def test_a_valid_schedule_has_no_problem(fields: dict[str, str]) -> None:
    """Only at and cron need a zone."""
    assert list(schedules.problems(fields)) == []


@pytest.mark.parametrize(
    ("fields", "name", "problem"),
    [
        (
            {"cron": "0 2 * * ? *"},
            "",
            "needs a timezone, as in Europe/Berlin or UTC",
        ),
        (
            {"at": "2027-12-13T10:15:20"},
            "",
            "needs a timezone, as in Europe/Berlin or UTC",
        ),
        (
            {"cron": "0 2 * * ? *", "timezone": "Berlin"},
            "timezone",
            "'Berlin' is not a time zone; did you mean Europe/Berlin?",
        ),
        (
            {"cron": "0 2 * * ? *", "timezone": "five"},
            "timezone",
            "'five' is not a time zone; write its name in the IANA database, as in Europe/Berlin",
        ),
        (
            {"at": "2027-12-13T10:15:20Z", "timezone": "UTC"},
            "at",
            "'2027-12-13T10:15:20Z' has an offset; write the time without it, and the zone as timezone",
        ),
        (
            {"at": "2027-12-13", "timezone": "UTC"},
            "at",
            "'2027-12-13' is not a date-time; write one as in 2027-12-13T10:15:20",
        ),
        (
            {"at": "9999-12-31T23:59:59", "timezone": "America/New_York"},
            "at",
            "'9999-12-31T23:59:59' is not a date-time; write one as in 2027-12-13T10:15:20",
        ),
        (
            {"at": "2027-02-29T10:00:00", "timezone": "UTC"},
            "at",
            "'2027-02-29T10:00:00' is not a date-time; write one as in 2027-12-13T10:15:20",
        ),
        (
            {"at": "2027-03-28T02:30:00", "timezone": "Europe/Berlin"},
            "at",
            "2027-03-28T02:30:00 does not exist in Europe/Berlin, where the clocks go forward then; write another time",
        ),
        (
            {"at": "2027-12-13T10:15:20", "timezone": "UTC", "end": "2028-01-01T00:00:00Z"},
            "end",
            "does not apply to a schedule that fires once; leave it out",
        ),
        (
            {"rate": "1 hour", "start": "2027-01-01T00:00:00"},
            "start",
            "2027-01-01T00:00:00 is a date-time without an offset; write 2027-01-01T00:00:00Z, or +01:00 at its end",
        ),
        (
            {"rate": "1 hour", "start": "2027-01-01"},
            "start",
            "'2027-01-01' is not a date-time; write one as in 2027-12-13T10:15:20Z",
        ),
        (
            {"rate": "1 hour", "start": "2027-01-01T00:00:00+01:00:30"},
            "start",
            "'2027-01-01T00:00:00+01:00:30' is not a date-time; write one as in 2027-12-13T10:15:20Z",
        ),
        (
            {"rate": "1 hour", "end": "2099-01-01T00:00:00.9Z"},
            "end",
            "'2099-01-01T00:00:00.9Z' is not a date-time; write one as in 2027-12-13T10:15:20Z",
        ),
        (
            {"rate": "1 hour", "start": "2027-01-01T01:00:00+01:00", "end": "2027-01-01T00:00:00Z"},
            "end",
            "is not after start; write a later one",
        ),
        ({"rate": "1 hour", "jitter": "1441"}, "jitter", "is 1441 minutes; write 1440 at most, or leave it out"),
        (
            {"cron": f"{','.join(['0'] * 120)} 22 01 * ? *", "timezone": "UTC"},
            "cron",
            f"'{'0,' * 38}0…' has more than 256 characters with cron(…) around it; write several schedules",
        ),
        ({"rate": "0 minutes"}, "rate", "'0 minutes' never fires; write 1 or more"),
    ],
)
def test_a_wrong_schedule_is_refused_with_a_remedy(fields: dict[str, str], name: str, problem: str) -> None:
    """And with nothing else."""
    assert list(schedules.problems(fields)) == [(name, problem)]


def test_zones_are_those_of_the_iana_database() -> None:
    """Of the tzdata that the layer carries, whatever the machine has."""
    assert {"UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"} <= schedules.zones()
    assert available_timezones() >= schedules.zones()


# ---- what has passed


@pytest.mark.parametrize(
    ("cron", "is_there"),
    [("30 0 * * ? *", True), ("0 8 ? * MON-FRI 2190-2199", True), ("0 8,20 * * ? *", False), ("0 8 31W * ? *", False)],
)
def test_days_are_there_for_a_cron_that_fires_once_a_day(tmp_path: Path, cron: str, is_there: bool) -> None:
    """On days that AWS documents; a trigger on another schedule has none."""
    when = f'    when: {{schedule: {{cron: "{cron}", timezone: Europe/Berlin}}}}\n    start: churn-training\n'
    found = problems(tmp_path, HEAD + when + '    parameters: {Day: "{% $scheduled.days[-1] %}"}\n')
    expected = (
        "uses $scheduled.days, which such an event does not have; $scheduled has arn, date, local, time, timezone"
    )
    assert [expected in problem for problem in found] == [True] * (not is_there)


@pytest.mark.parametrize(
    ("fields", "past"),
    [
        ({"at": "2027-06-01T12:00:00", "timezone": "UTC"}, {"team/one.at"}),
        ({"at": "2027-06-01T12:00:01", "timezone": "UTC"}, set()),
        ({"at": "2027-06-01T13:59:59", "timezone": "Europe/Berlin"}, {"team/one.at"}),
        ({"at": "2027-06-01T07:59:59", "timezone": "America/New_York"}, {"team/one.at"}),
        ({"at": "2027-06-01T08:00:01", "timezone": "America/New_York"}, set()),
        ({"rate": "1 day", "start": "2027-06-01T13:59:00+02:00"}, {"team/one.start"}),
        ({"rate": "1 day", "start": "2027-06-01T12:01:00Z", "end": "2027-06-02T00:00:00Z"}, set()),
        (
            {"rate": "1 day", "start": "2027-01-01T00:00:00Z", "end": "2027-06-01T00:00:00Z"},
            {"team/one.start", "team/one.end"},
        ),
        ({"cron": "0 2 * * ? 2026", "timezone": "UTC"}, {"team/one.cron"}),
        ({"cron": "0 2 * * ? 2020,2024-2026", "timezone": "${Zone}"}, {"team/one.cron"}),
        ({"cron": "0 2 * * ? 2027", "timezone": "UTC"}, set()),
        ({"cron": "0 2 * * ? 2020-2027,2022", "timezone": "UTC"}, set()),
        ({"cron": "0 2 * * ? 2020,*", "timezone": "UTC"}, set()),
        ({"cron": "0 2 * * ? 2020/2", "timezone": "UTC"}, set()),
        ({"cron": "${Cron}", "timezone": "UTC"}, set()),
    ],
)
def test_passed_times_go_by_the_zone(fields: dict[str, str], past: set[str]) -> None:
    """The clock comes in as an argument."""
    assert schedules.past([schedule(**fields)], NOW) == past


def test_the_last_year_is_over_when_it_is_so_everywhere() -> None:
    """Whatever the zone and the jitter."""
    trigger = schedule(cron="0 2 * * ? 2026", timezone="Etc/GMT+12", jitter="1440")
    assert not schedules.past([trigger], datetime(2027, 1, 2, 12, tzinfo=UTC))
    assert schedules.past([trigger], datetime(2027, 1, 3, tzinfo=UTC))


def test_a_schedule_that_has_ended_is_left_out_with_a_note() -> None:
    """It never fires again."""
    for fields in (
        {"at": "2027-01-01T00:00:00", "timezone": "UTC"},
        {"cron": "0 2 * * ? 2026", "timezone": "UTC"},
        {"rate": "1 day", "end": "2027-01-01T00:00:00Z"},
    ):
        trigger = schedule(**fields)
        past = schedules.past([trigger], NOW)
        assert compiled(trigger)
        assert not compiled(trigger, past)
        (name,) = fields.keys() & {"at", "cron", "end"}
        note = f"has ended: its {name}, {fields[name]}, has passed, so it gets no schedule"
        assert list(schedules.notes([trigger], past)) == [("team/one", note)]


def test_a_start_that_has_passed_is_left_out_with_a_note() -> None:
    """Scheduler refuses a start more than five minutes ago, on each update as well."""
    trigger = schedule(rate="1 day", start="2027-01-01T01:00:00+01:00", end="2028-01-01T00:00:00Z")
    past = schedules.past([trigger], NOW)
    (before,), (after,) = compiled(trigger), compiled(trigger, past)
    assert (before["StartDate"], before["EndDate"]) == ("2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z")
    assert "StartDate" not in after
    assert after["EndDate"] == "2028-01-01T00:00:00Z"
    note = (
        "has begun: its start, 2027-01-01T01:00:00+01:00, has passed and is left out; "
        "its rate counts from the deploy that leaves it out"
    )
    assert list(schedules.notes([trigger], past)) == [("team/one", note)]


# ---- what is compiled


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"cron": "0  2 * * ?  *", "timezone": "Europe/Berlin"},
            {"ScheduleExpression": "cron(0 2 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin"},
        ),
        ({"rate": "5  minutes"}, {"ScheduleExpression": "rate(5 minutes)"}),
        ({"rate": "1 hours"}, {"ScheduleExpression": "rate(1 hours)"}),
        (
            {"at": "2027-12-13T10:15:20", "timezone": "UTC"},
            {"ScheduleExpression": "at(2027-12-13T10:15:20)", "ScheduleExpressionTimezone": "UTC"},
        ),
        (
            {"rate": "1 day", "jitter": "15"},
            {
                "ScheduleExpression": "rate(1 day)",
                "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
            },
        ),
    ],
)
def test_a_schedule_is_compiled_as_it_is_written(fields: dict[str, str], expected: dict[str, Any]) -> None:
    """In the stack's own group, switched on."""
    (found,) = compiled(schedule(**fields))
    usual = {"GroupName": {"Ref": "ScheduleGroup"}, "State": "ENABLED", "FlexibleTimeWindow": {"Mode": "OFF"}}
    assert {name: value for name, value in found.items() if name not in ("Target", "Description")} == usual | expected


def test_a_schedule_sends_an_event_to_the_queue_and_keeps_what_it_can_not_send() -> None:
    """Scheduler fills in its own attributes; CloudFormation the account, and the stage's zone."""
    (found,) = compiled(schedule(cron="0 2 * * ? *", timezone="${Zone}"))
    target = found["Target"]
    assert target["Arn"] == {"Ref": "OnEventQueueArn"}
    assert target["RoleArn"] == {"Ref": "ScheduleRoleArn"}
    assert target["DeadLetterConfig"] == {"Arn": {"Ref": "OnEventDeadLetterQueueArn"}}
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}
    text, values = target["Input"]["Fn::Sub"]
    assert values == {"Zone": {"Fn::FindInMap": ["Stages", {"Ref": "Stage"}, "Zone"]}}
    sent = json.loads(text)
    assert sent["trigger"] == "team/one"
    assert sent["event"]["time"] == "<aws.scheduler.scheduled-time>"
    assert sent["event"]["id"] == "<aws.scheduler.execution-id>"
    assert sent["event"]["resources"] == ["<aws.scheduler.schedule-arn>"]
    assert sent["event"]["account"] == "${AWS::AccountId}"
    assert sent["event"]["detail"] == {"trigger": "team/one", "timezone": "${Zone}"}


def test_the_limits_are_those_of_the_service() -> None:
    """Compared with the service model of the pinned botocore; the embedded AWS takes more."""
    model: Any = boto3.client("scheduler", region_name="eu-central-1").meta.service_model
    assert model.shape_for("MaximumWindowInMinutes").metadata["max"] == schedules.MAX_JITTER
    assert model.shape_for("ScheduleExpression").metadata["max"] == schedules.MAX_EXPRESSION
    assert model.shape_for("Description").metadata["max"] >= cloudformation.MAX_DESCRIPTION_LENGTH
    assert model.shape_for("ScheduleExpressionTimezone").metadata["max"] >= max(map(len, schedules.zones()))


# ---- the commands

DOCUMENT = """\
version: 1
owner: team
pipelines: [train]
triggers:
  one:
    when: {schedule: {at: 2020-01-01T00:00:00, timezone: UTC}}
    start: train
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder with a document that was right in its time."""
    (tmp_path / "stages.yaml").write_text("dev:\n")
    (tmp_path / "team.yaml").write_text(DOCUMENT)
    return tmp_path


def run(directory: Path, *arguments: str) -> Result:
    """Run ``triggers`` on a folder."""
    return CliRunner(mix_stderr=False).invoke(main, [*arguments, "--documents", str(directory)])


def ended_note(directory: Path) -> str:
    """Return what a command says about the document of ``directory``."""
    what = "has ended: its at, 2020-01-01T00:00:00, has passed, so it gets no schedule"
    return f"Note: {directory}/team.yaml:5: triggers.one: {what}\n"


@pytest.mark.parametrize("command", ["compile", "check"])
def test_the_commands_say_what_has_passed(directory: Path, command: str) -> None:
    """It is nothing wrong: they succeed."""
    ended = run(directory, command)
    assert (ended.exit_code, ended.stderr) == (0, ended_note(directory))
    assert ended.output.startswith("1 trigger")


def test_a_schedule_that_has_ended_is_not_checked_in_the_account(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says by its clock what is."""

    def problems(_documents: Documents, _stage: str, past: frozenset[str]) -> list[Problem]:
        assert past == {"team/one.at"}
        return []

    monkeypatch.setattr(check_account, "problems", problems)
    monkeypatch.setattr(overlaps, "overlaps", lambda *_: iter([]))
    monkeypatch.setattr(cloudtrail, "reports_deletions", lambda: True)
    checked = run(directory, "check", "--aws")
    assert (checked.exit_code, checked.stderr) == (0, ended_note(directory))


def test_time_alone_makes_no_compiled_file_stale(directory: Path) -> None:
    """What was compiled before the time came is not an error; compiling again is what ends it."""
    loaded = Documents((schedule(at="2020-01-01T00:00:00", timezone="UTC"),), {"dev": {}})
    files.write(directory, compiler.compile_documents(loaded))
    checked = run(directory, "compile", "--check")
    assert (checked.exit_code, checked.stderr) == (0, ended_note(directory))
    assert "at(2020" in (directory / "compiled" / "stack.yaml").read_text()
    assert run(directory, "compile").output == "1 trigger, compiled files changed\n"
    assert "at(2020" not in (directory / "compiled" / "stack.yaml").read_text()
    assert run(directory, "compile", "--check").exit_code == 0


def test_a_stack_that_can_not_be_read_is_stale(directory: Path) -> None:
    """And no error of its own."""
    run(directory, "compile")
    (directory / "compiled" / "stack.yaml").write_text("{")
    assert run(directory, "compile", "--check").exit_code == 1
