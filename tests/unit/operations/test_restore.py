"""What the janitor removed comes back as it was, as far as AWS takes it; and the commands for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from click.testing import CliRunner, Result
from pipeline_triggers import aws
from pipeline_triggers.cli import main
from pipeline_triggers.operations import cloudtrail, stacks
from pipeline_triggers.operations.restore import create_schedule
from pipeline_triggers.operations.stacks import Stack

from tests.localaws.local_aws import deletion
from tests.simulation.janitor_world import (
    Account,
    answered,
    native,
    put_rule,
    put_schedule,
    schedules,
    targets,
    universal,
)

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
WAS = {
    "Arn": "arn:aws:scheduler:eu-central-1:123456789012:schedule/default/nightly",
    "CreationDate": "2026-01-01T00:00:00+00:00",
    "LastModificationDate": "2026-01-01T00:00:00+00:00",
    "Name": "nightly",
    "GroupName": "default",
    "ScheduleExpression": "cron(0 2 * * ? *)",
    "ScheduleExpressionTimezone": "Europe/Berlin",
    "Description": "",
    "State": "DISABLED",
    "Target": {"Arn": "a", "RoleArn": "r"},
    "FlexibleTimeWindow": {"Mode": "OFF"},
    "ActionAfterCompletion": "NONE",
}
SAME = {name: WAS[name] for name in WAS if name not in ("Arn", "CreationDate", "LastModificationDate", "Description")}
DELETED = json.dumps({"deletion": deletion("train")})


def test_a_schedule_is_made_as_it_was() -> None:
    """Without what only AWS sets."""
    assert create_schedule(WAS, NOW).arguments == SAME


@pytest.mark.parametrize(
    ("changed", "start", "note"),
    [
        # AWS refuses a beginning that lies behind.
        ({"StartDate": "2026-01-01T00:00:00+00:00"}, None, "without its start, 2026-01-01T00:00:00+00:00"),
        ({"StartDate": "2026-12-01T00:00:00+00:00"}, "2026-12-01T00:00:00+00:00", ""),
        (
            {"StartDate": "2026-11-20T01:30:00+00:00", "ScheduleExpression": "rate(12 hours)"},
            "2026-11-21T13:30:00+00:00",
            "starts at its next occurrence, 2026-11-21T13:30:00+00:00",
        ),
        (
            {"StartDate": "2026-01-01T05:00:00+02:00", "ScheduleExpression": "rate(1 day)"},
            "2026-11-21T05:00:00+02:00",
            "starts at its next occurrence",
        ),
        (
            {"StartDate": "2026-11-21T02:59:30+00:00", "ScheduleExpression": "rate(1 minute)"},
            "2026-11-21T03:00:30+00:00",
            "starts at its next occurrence",
        ),
        ({"ScheduleExpression": "rate(5 minutes)"}, None, "its rate counts from now on"),
        # As the SDK makes it; its end stays.
        (
            {
                "ScheduleExpression": "at(2027-01-01T00:00:00)",
                "StartDate": "2026-11-20T01:30:00+00:00",
                "EndDate": "2027-02-01T00:00:00+00:00",
            },
            None,
            "without its start, 2026-11-20T01:30:00+00:00, which a single time does not use",
        ),
    ],
)
def test_a_past_start_moves_on(changed: dict[str, str], start: str | None, note: str) -> None:
    """It is left out, or of a rate the next occurrence on the old phase; which is said."""
    request = create_schedule({**WAS, **changed}, NOW)
    assert request.arguments.get("StartDate") == start
    assert " ".join(request.notes).startswith(note)
    assert bool(request.notes) == bool(note)
    assert request.pointless is None
    assert {name: value for name, value in request.arguments.items() if name != "StartDate"} == {
        **SAME,
        **{name: value for name, value in changed.items() if name != "StartDate"},
    }


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"ScheduleExpression": "at(2026-11-21T03:30:00)"}, "its one time, 2026-11-21T03:30:00, has passed"),
        ({"EndDate": "2026-11-01T00:00:00+00:00"}, "it ended at 2026-11-01T00:00:00+00:00"),
        (
            {
                "StartDate": "2026-11-20T04:00:00+00:00",
                "EndDate": "2026-11-22T00:00:00+00:00",
                "ScheduleExpression": "rate(7 days)",
            },
            "no occurrence is left before its end, 2026-11-22T00:00:00+00:00",
        ),
    ],
)
def test_pointless_schedules_are_not_created(changed: dict[str, str], why: str) -> None:
    """Its time has passed; ``at`` is meant in the schedule's own zone."""
    assert create_schedule({**WAS, **changed}, NOW).pointless == why


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account with the stack deployed, and a history that knows when ``train`` was deleted."""
    with Account().installed() as account:
        aws.sts.cache_clear()
        aws.sagemaker.cache_clear()
        parameters = {
            "JanitorIgnore": "",
            "JanitorMostRemovals": "3",
            "JanitorEmptyRules": "remove",
            "SnapshotDays": "9",
        }
        stack = Stack("stack", parameters, {"SnapshotTable": "snapshots"})
        monkeypatch.setattr(stacks, "stack", lambda _: stack)
        monkeypatch.setattr(cloudtrail, "deletions", lambda: {"train": NOW})
        yield account
    aws.sts.cache_clear()
    aws.sagemaker.cache_clear()


def run(*arguments: str) -> Result:
    """Run ``triggers``."""
    return CliRunner(mix_stderr=False).invoke(main, arguments)


def lines(*arguments: str) -> list[tuple[str, str, str]]:
    """Run ``triggers`` and return what it says of each thing."""
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return [(line["what"], line["outcome"], line["why"]) for line in json.loads(done.stdout)]


def test_all_that_was_removed_comes_back(account: Account) -> None:
    """Schedules with group, expression, zone, state, end, target and role; rules with pattern, state, tags, targets."""
    scheduler: Any = boto3.client("scheduler")
    events: Any = boto3.client("events")
    events.create_event_bus(Name="team")
    scheduler.create_schedule_group(Name="team")
    put_schedule(
        "s",
        universal("train"),
        "team",
        ScheduleExpression="cron(0 2 * * ? *)",
        ScheduleExpressionTimezone="Europe/Berlin",
        State="DISABLED",
        EndDate=datetime(2040, 1, 1, tzinfo=UTC),
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 7},
    )
    put_rule("r", {"p": "train"}, "team", State="DISABLED", Tags=[{"Key": "team", "Value": "a"}], Description="d")

    def things() -> Any:
        schedule = scheduler.get_schedule(GroupName="team", Name="s")
        rule = events.describe_rule(Name="r", EventBusName="team")
        listed = events.list_targets_by_rule(Rule="r", EventBusName="team")["Targets"]
        tags = events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
        for answer in (schedule, rule):
            answer.pop("ResponseMetadata")
        return {**schedule, "CreationDate": None, "LastModificationDate": None}, rule, listed, tags

    before = things()
    account.work(DELETED)
    assert (schedules(), targets()) == (set(), set())
    account.calls.clear()
    dry = lines("restore", "--pipeline", "Train", "--dry-run")
    assert {outcome for _, outcome, _ in dry} == {"would be restored"}
    assert account.writes() == []
    restored = lines("restore", "--pipeline", "Train")
    assert restored == [
        ("rule team/r target p", "restored", "with its rule"),
        ("schedule team/s", "restored", ""),
    ]
    assert things() == before
    account.calls.clear()
    again = lines("restore", "r", "team/s")
    assert {(outcome, why) for _, outcome, why in again} == {("not restored", "already exists, not touched")}
    assert account.writes() == []


def test_a_missing_group_is_created_again(account: Account) -> None:
    """And said, since its tags are lost."""
    scheduler: Any = boto3.client("scheduler")
    scheduler.create_schedule_group(Name="team")
    put_schedule("s", native("train"), "team")
    account.work(DELETED)
    scheduler.delete_schedule_group(Name="team")
    ((_, outcome, why),) = lines("restore", "s")
    assert outcome == "restored"
    assert "its group team is created again, without its tags" in why
    assert schedules() == {"team/s"}


def test_a_rule_comes_back_without_the_tags_that_only_aws_sets(account: Account) -> None:
    """PutRule refuses them; the others come back."""
    tags = [{"Key": "aws:servicecatalog:x", "Value": "a"}, {"Key": "team", "Value": "b"}]
    put_rule("r", {"p": "train"}, Tags=tags)
    account.work(DELETED)
    ((_, outcome, why),) = lines("restore", "r")
    assert (outcome, why) == ("restored", "with its rule; without the tags that only AWS sets")
    events: Any = boto3.client("events")
    arn = events.describe_rule(Name="r")["Arn"]
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == tags[1:]


def test_a_refused_restore_has_failed(account: Account) -> None:
    """PutTargets answers 200 though it failed; a conflict counts as there already only if the schedule is there."""
    put_rule("r", {"p": "train"})
    put_schedule("s", native("train"))
    account.work(DELETED)

    def refuse(name: str, _: int) -> AWSResponse | None:
        if name == "PutTargets":
            failed = {"TargetId": "p", "ErrorCode": "AccessDeniedException", "ErrorMessage": "no"}
            return answered(200, {"FailedEntryCount": 1, "FailedEntries": [failed]})
        if name == "CreateSchedule":
            return answered(409, {"__type": "ConflictException", "message": "busy"})
        return None

    account.before = refuse
    done = run("restore", "r", "s", "--json")
    assert done.exit_code == 1
    assert {line["outcome"] for line in json.loads(done.stdout)} == {"failed"}


def test_a_pipeline_that_is_still_gone_is_noted(account: Account) -> None:
    """What starts it would be removed again."""
    put_schedule("s", native("train"))
    account.work(DELETED)
    assert "Note: pipeline train does not exist" in run("restore", "s").stderr
    account.sagemaker.pipelines = {"train": 0}
    assert run("restore", "s").stderr == ""


@pytest.mark.parametrize("spelling", ["Train", "train", "TRAIN"])
def test_a_pipeline_is_restored_by_any_spelling(account: Account, spelling: str) -> None:
    """SageMaker writes names in ARNs in lower case: the pipeline exists, and is not called missing."""
    put_schedule("s", native("train"))
    account.work(DELETED)
    account.sagemaker.pipelines = {"Train": 0}
    restored = run("restore", "--pipeline", spelling)
    assert (restored.exit_code, restored.stderr) == (0, "")
    assert schedules() == {"default/s"}


def test_a_missing_snapshot_is_an_error(account: Account) -> None:
    """And nothing is restored, not even what has one."""
    put_schedule("s", native("train"))
    account.work(DELETED)
    failed = run("restore", "s", "other")
    assert failed.exit_code == 1
    assert "no snapshot of other, so nothing was restored" in failed.stderr
    assert run("restore", "--pipeline", "other").exit_code == 1
    assert run("restore", "s", "--pipeline", "train").exit_code == 2
    assert schedules() == set()


def test_orphans_are_listed_with_why_and_since_when(account: Account) -> None:
    """Without a call that changes anything."""
    account.sagemaker.pipelines = {"there": 0}
    put_schedule("s", native("train"))
    put_schedule("t", native("other"))
    put_schedule("u", native("there"))
    for arguments in ([], ["--dry-run"], ["--remove", "--dry-run"]):
        lines = json.loads(run("orphans", *arguments, "--json").stdout)
        outcome = "would be removed" if "--remove" in arguments else "orphan"
        assert [(line["what"], line["outcome"], line["why"], line["since"]) for line in lines] == [
            ("schedule default/t", outcome, "its pipeline is gone", "unknown"),
            ("schedule default/s", outcome, "its pipeline is gone", "2026-11-21T03:00:00+00:00"),
        ]
    assert account.writes() == []
    assert "schedule default/s" in run("orphans").stdout


@pytest.mark.usefixtures("account")
def test_orphans_are_removed_on_request() -> None:
    """With a snapshot each, so that they come back."""
    put_schedule("s", native("train"))
    put_rule("r", {"p": "train"})
    assert {outcome for _, outcome, _ in lines("orphans", "--remove")} == {"removed"}
    assert (schedules(), targets()) == (set(), set())
    assert lines("orphans", "--remove") == []
    assert len(lines("restore", "s", "r")) == 2
    assert (schedules(), targets()) == ({"default/s"}, {"default/r/p"})


def test_removals_before_an_interruption_are_listed(account: Account) -> None:
    """Ctrl-C after the first removal loses no list of it."""
    for number in range(3):
        put_schedule(f"s{number}", native("train"))

    def interrupt(name: str, _: int) -> None:
        if name == "DeleteSchedule" and len(account.removals()) > 1:
            raise KeyboardInterrupt

    account.before = interrupt
    stopped = run("orphans", "--remove", "--json")
    assert stopped.exit_code == 1
    assert "interrupted" in stopped.stderr
    assert sorted(line["outcome"] for line in json.loads(stopped.stdout)) == ["removed", *["would be removed"] * 2]
    assert len(schedules()) == 2


def test_restorable_things_are_listed(account: Account) -> None:
    """What it is, its pipeline, and when it was removed."""
    assert run("restore").stdout == "no snapshots\n"
    put_schedule("s", native("train"))
    account.work(DELETED)
    account.calls.clear()
    ((what, outcome, why),) = lines("restore")
    assert (what, outcome) == ("schedule default/s", "snapshot")
    assert NOW.replace(year=2020) < datetime.fromisoformat(why.split()[2].rstrip(",")) <= datetime.now(UTC)
    assert account.writes() == []
    assert run("restore").stdout.split("\n")[0].split() == ["what", "pipeline", "outcome", "why"]


def test_more_orphans_than_may_be_removed_need_an_option(account: Account) -> None:
    """All are listed, and what allows it is said."""
    for number in range(4):
        put_schedule(f"s{number}", native("train"))
    refused = run("orphans", "--remove")
    assert refused.exit_code == 1
    assert "allow it with --most 4" in refused.stderr
    assert refused.stdout.count("schedule default/s") == 4
    assert account.removals() == []
    assert len(lines("orphans", "--remove", "--most", "4")) == 4
    assert schedules() == set()
