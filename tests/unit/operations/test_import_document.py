"""What an account has → a document that compiles and means the same, whatever it holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.account.home import Home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.account.references import RuleTarget, Unread
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import loader
from pipeline_triggers.events import eventbridge
from pipeline_triggers.models import Trigger
from pipeline_triggers.operations import import_document
from pipeline_triggers.operations.import_document import Here, Imported
from pipeline_triggers.operations.inventory import Existing, ExistingRule, ExistingSchedule
from pipeline_triggers.starts.plan import plan

ACCOUNT, REGION = "123456789012", "eu-central-1"
HERE = Here(Home("aws", ACCOUNT, REGION), {"train": "Train", "report": "report"}, datetime(2026, 11, 1, tzinfo=UTC))
TRAIN = Pipeline(ACCOUNT, REGION, "train")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
SCHEDULED: dict[str, Any] = {
    "id": "execution",
    "source": "aws.scheduler",
    "detail-type": "Scheduled Event",
    "time": "2026-11-01T01:00:00Z",
    "resources": ["arn:aws:scheduler:eu-central-1:123456789012:schedule/g/n"],
    "detail": {"trigger": "team/x", "timezone": "UTC"},
}
STAGES = "dev: {Name: value}\n"
Target = tuple[str, Mapping[str, str]]
UNIVERSAL = "arn:aws:scheduler:::aws-sdk:sagemaker:startPipelineExecution"


def schedule(values: Mapping[str, str] | None = None, **changes: Any) -> ExistingSchedule:
    """Return a schedule as GetSchedule answers, with changes; ``Target`` is added to."""
    listed = {"PipelineParameterList": [{"Name": name, "Value": value} for name, value in (values or {}).items()]}
    target = {"Arn": TRAIN.arns(HERE.home)[0], "RoleArn": ROLE, "SageMakerPipelineParameters": listed}
    answer = {
        "Name": "Nightly_Run",
        "GroupName": "default",
        "State": "ENABLED",
        "ScheduleExpression": "cron(0 2 * * ? *)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        **changes,
        "Target": {**target, **changes.get("Target", {})},
    }
    return ExistingSchedule(TRAIN, answer)


def called(**call: Any) -> ExistingSchedule:
    """Return a schedule with a universal target, whose Input Scheduler takes as it is."""
    return schedule(Target={"Arn": UNIVERSAL, "Input": json.dumps({"PipelineName": "train", **call})})


def rule(
    *targets: tuple[str, Mapping[str, str]], others: int = 0, bus: str = "default", **changes: Any
) -> ExistingRule:
    """Return a rule with targets: a pipeline and its parameters each."""
    described = {"Name": "orders", "State": "ENABLED", "EventPattern": '{"source": ["acme.shop"]}', **changes}
    pointers = []
    for at, (name, values) in enumerate(targets):
        listed = {"PipelineParameterList": [{"Name": name, "Value": value} for name, value in values.items()]}
        found = Pipeline(ACCOUNT, REGION, name)
        target = {"Id": f"t{at}", "Arn": found.arns(HERE.home)[0], "SageMakerPipelineParameters": listed}
        pointers.append(RuleTarget(bus, "orders", f"t{at}", found, described, target))
    return ExistingRule(bus, described, tuple(pointers), others, {"team": "shop", "aws:owner": "x"})


def imported(*found: Existing | Unread) -> Imported:
    """Import as of November 2026."""
    with TemporaryDirectory() as directory:
        Path(directory, "stages.yaml").write_text(STAGES, encoding="utf-8")
        return import_document.document(found, Path(directory, "moved.yaml"), HERE)


def loaded(directory: Path, written: Imported) -> list[Trigger]:
    """Return the document's triggers, which must compile."""
    (directory / "moved.yaml").write_text(written.text, encoding="utf-8")
    (directory / "stages.yaml").write_text(STAGES, encoding="utf-8")
    found = loader.load(directory)
    compiler.compile_documents(found)
    return list(found.triggers)


def sent(trigger: Trigger, event: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters that an event would be started with."""
    return dict(plan(trigger, 0, eventbridge.read(event, trigger.when.source), "s").parameters)


# Half a surrogate pair, and what AWS takes nowhere, are problems of any document.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters=set(map(chr, range(32))) - set("\t\n\r"))
TEXTS = st.text(CHARACTERS, min_size=1, max_size=40) | st.sampled_from(
    [
        *(f"a{character}b" for character in "\x7f\x80\x85\x9f\u2028\u2029\ufeff\ufffe\U000e0001\n\r"),
        "$.detail.x",
        "{% $x %}",
        "${Name}",
        "a${AWS::Region}b",
        "%}",
        "$x",
        "{%",
        "yes",
        "1.10",
        "012",
        "~",
        "null",
        '"',
        "'",
    ]
)


@given(st.lists(TEXTS, min_size=1, max_size=8))
def test_a_schedule_s_texts_are_sent_as_they_were(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Though a document would take them for a path, an expression, a value of the stage, or another type."""
    values = {f"P{at}": text for at, text in enumerate(texts)}
    (trigger,) = loaded(tmp_path_factory.mktemp("d"), imported(schedule(values)))
    assert sent(trigger, SCHEDULED) == values


@pytest.mark.parametrize(
    ("theirs", "expected"),
    [
        ("<aws.scheduler.scheduled-time>", "2026-11-01T01:00:00Z"),
        ("run of <aws.scheduler.scheduled-time>", "run of 2026-11-01T01:00:00Z"),
        ("<aws.scheduler.execution-id>/<aws.scheduler.scheduled-time>.csv", "execution/2026-11-01T01:00:00Z.csv"),
        ("<aws.scheduler.schedule-arn>", SCHEDULED["resources"][0]),
    ],
)
def test_scheduler_s_attributes_are_carried_over(tmp_path: Path, theirs: str, expected: str) -> None:
    """Alone, or within a text."""
    (trigger,) = loaded(tmp_path, imported(schedule({"Value": theirs})))
    assert sent(trigger, SCHEDULED) == {"Value": expected}


JSON_VALUES = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXTS


@given(st.dictionaries(st.text("abc.-_ :'\"{", min_size=1, max_size=20), st.lists(JSON_VALUES, min_size=1), min_size=1))
def test_a_pattern_stays_what_it_was(tmp_path_factory: pytest.TempPathFactory, detail: dict[str, Any]) -> None:
    """Numbers, texts that look like numbers, and null apart; short or long."""
    pattern = {"source": ["acme.shop"], "detail": detail}
    written = imported(rule(("train", {}), EventPattern=json.dumps(pattern)))
    if written.left_out:
        assert "${" in json.dumps(pattern)
        return
    (trigger,) = loaded(tmp_path_factory.mktemp("d"), written)
    assert trigger.when.fields["pattern"] == pattern


def test_a_rule_s_paths_literals_bus_and_tags_are_carried_over(tmp_path: Path) -> None:
    """In the pipelines' own spelling, which an ARN may have lost."""
    values = {"Month": "$.detail.month", "Kind": "static", "Empty": ""}
    written = imported(rule(("train", values), ("report", {}), bus="shop", State="DISABLED", Description="Orders: all"))
    (trigger,) = loaded(tmp_path, written)
    assert trigger.id == "moved/orders"
    assert trigger.when.fields == {"bus": "shop", "pattern": {"source": ["acme.shop"]}}
    assert {one.pipeline: dict(one.parameters) for one in trigger.start} == {
        "Train": {"Month": "$.detail.month", "Kind": "static"},
        "report": {},
    }
    assert (trigger.enabled, trigger.tags, trigger.description) == (False, {"team": "shop"}, "Orders: all")
    assert "# Not carried over: its parameter Empty = : SageMaker refuses an empty value" in written.text


def test_missing_required_parameters_are_reported(tmp_path: Path) -> None:
    """The check against the account would refuse the trigger; the import says it first."""
    required = {"Train": ("Month", "Url"), "report": ("Kind",)}
    existing = [rule(("train", {"Month": "$.detail.month"}), ("report", {"Kind": "x"}))]
    (tmp_path / "stages.yaml").write_text(STAGES, encoding="utf-8")
    written = import_document.document(existing, tmp_path / "moved.yaml", replace(HERE, required=required))
    assert written.missing == ("trigger orders: Train requires Url; add values",)
    assert "    # Missing: Train requires Url; add values\n" in written.text


def test_a_rule_that_starts_a_pipeline_twice_becomes_two_triggers(tmp_path: Path) -> None:
    """As a trigger starts each pipeline once."""
    written = imported(rule(("train", {"P": "1"}), ("train", {"P": "2"})))
    found = loaded(tmp_path, written)
    assert {trigger.id: trigger.start[0].parameters["P"] for trigger in found} == {
        "moved/orders": "1",
        "moved/orders-2": "2",
    }


def test_a_rule_with_a_schedule_fires_on_utc_s_clock(tmp_path: Path) -> None:
    """And a rule that has a pattern as well becomes two triggers."""
    written = imported(rule(("train", {"At": "$.time"}), ScheduleExpression="cron(0 8 ? * MON#1 *)"))
    by_event, by_time = loaded(tmp_path, written)
    assert by_event.when.source == "event"
    assert by_time.when.fields == {"cron": "0 8 ? * MON#1 *", "timezone": "UTC"}
    assert (
        written.text.count("# Was rule default/orders, which became 2 triggers: move all of them first. To remove") == 2
    )
    assert "# Not carried over: its tag team\n" in written.text
    assert "# Not carried over: the values of its paths: the event is Scheduler's" in written.text


def test_a_call_that_scheduler_makes_itself_is_read(tmp_path: Path) -> None:
    """Of a universal target, with the options that a document has."""
    call = {
        "PipelineParameters": [{"Name": "P", "Value": "<aws.scheduler.scheduled-time>"}],
        "PipelineExecutionDisplayName": "nightly",
        "ParallelismConfiguration": {"MaxParallelExecutionSteps": 3},
        "PipelineExecutionDescription": "by hand",
    }
    written = imported(called(**call))
    (trigger,) = loaded(tmp_path, written)
    assert sent(trigger, SCHEDULED) == {"P": "2026-11-01T01:00:00Z"}
    assert (trigger.options.display_name, trigger.options.max_parallel_steps) == ("nightly", 3)
    assert "# Not carried over: its call also sets PipelineExecutionDescription" in written.text


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"StartDate": datetime(2026, 10, 1, tzinfo=UTC)}, "its start, 2026-10-01T00:00:00Z, has passed"),
        ({"ScheduleExpression": "rate(5 minutes)"}, "its rate counts from the deploy"),
        ({"ActionAfterCompletion": "DELETE"}, "it is not deleted when it is over"),
        ({"Description": "Run of ${Name}"}, "its description, Run of ${Name}"),
        ({"KmsKeyArn": "arn:aws:kms:key"}, "its input was encrypted with arn:aws:kms:key"),
        ({"Target": {"DeadLetterConfig": {"Arn": "arn:aws:sqs:q"}}}, "its dead-letter queue was arn:aws:sqs:q"),
        ({"Target": {"RetryPolicy": {"MaximumRetryAttempts": 3}}}, "its MaximumRetryAttempts was 3"),
    ],
)
def test_lost_details_are_reported(tmp_path: Path, changes: dict[str, Any], note: str) -> None:
    """In a comment at the trigger, which is there all the same."""
    written = imported(schedule(**changes))
    assert f"    # Not carried over: {note}\n" in written.text
    assert loaded(tmp_path, written)[0].enabled


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (schedule(ScheduleExpression="at(2023-12-13T10:15:20)"), "at(2023-12-13T10:15:20) in UTC has passed"),
        (schedule(EndDate=datetime(2026, 10, 1, tzinfo=UTC)), "its end, 2026-10-01T00:00:00Z, has passed"),
        (replace(schedule(), pipeline=Pipeline(ACCOUNT, REGION, "gone")), "its pipeline gone does not exist"),
        (replace(schedule(), pipeline=Pipeline("2" * 12, REGION, "train")), f"is in {REGION} of account {'2' * 12}"),
        (schedule(Target={"Arn": UNIVERSAL, "Input": "{<aws.scheduler.attempt-number>}"}), "is not valid JSON before"),
        (called(PipelineParameters=[{"Name": "P", "Value": 5}]), "SageMaker would refuse its call"),
        (called(PipelineParameters=[{"Name": "P"}]), "SageMaker would refuse its call"),
        (called(PipelineParameters=["P"]), "SageMaker would refuse its call"),
        (called(PipelineParameters=None), "SageMaker would refuse its call"),
        (called(ParallelismConfiguration=None), "SageMaker would refuse its call"),
        (called(PipelineExecutionDisplayName=7), "SageMaker would refuse its call"),
        (schedule(ScheduleExpression="at(2099-1-1T00:00:00)"), "at(2099-1-1T00:00:00) in UTC can't be read: "),
        (
            schedule(ScheduleExpression="at(2099-01-01T00:00:00)", ScheduleExpressionTimezone="GMT+2"),
            "at(2099-01-01T00:00:00) in GMT+2 can't be read: ",
        ),
        (rule(("train", {}), ManagedBy="events.amazonaws.com"), "it is managed by events.amazonaws.com"),
        (rule(("train", {}), EventPattern='{"source": ["${Name}"]}'), "its pattern holds ${…}"),
        (Unread("schedule default/x", "AWS refuses: not you"), "schedule default/x: AWS refuses: not you"),
    ],
)
def test_untranslatable_things_are_left_out_with_a_reason(found: Existing | Unread, why: str) -> None:
    """And nothing else is."""
    written = imported(found, schedule())
    assert written.triggers == 1
    (reason,) = written.left_out
    assert why in reason
    assert f"# Left out: {reason}\n" in written.text


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (schedule(ScheduleExpression="cron(0 2 * * * *)"), ": when.schedule.cron: "),
        (schedule(ScheduleExpression="at(2099-01-01T00:00)"), ": when.schedule.at: "),
        (
            schedule(ScheduleExpression="at(2099-03-29T02:30:00)", ScheduleExpressionTimezone="Europe/Berlin"),
            ": when.schedule.at: ",
        ),
        (schedule(ScheduleExpressionTimezone="GMT+2"), ": when.schedule.timezone: "),
        (schedule({"P": "a\x01"}), "holds a control character"),
        (called(PipelineParameters=[{"Name": "P", "Value": "\ud800"}]), "holds half a surrogate pair"),
        (called(ParallelismConfiguration={"MaxParallelExecutionSteps": True}), "max_parallel_steps"),
        (rule(("train", {}), EventPattern='{"source": []}'), ": when.event.pattern"),
        (replace(rule(("train", {})), tags={"cost": "c # d"}), ": tags.cost: "),
    ],
)
def test_what_a_document_may_not_say_is_left_out(tmp_path: Path, found: Existing, why: str) -> None:
    """So that what is written passes the check; the reason is the check's own."""
    written = imported(found, schedule(Name="right"))
    (reason,) = written.left_out
    assert reason.startswith(str(found))
    assert why in reason
    assert [trigger.id for trigger in loaded(tmp_path, written)] == ["moved/right"]


def test_a_rule_is_left_out_as_a_whole() -> None:
    """Since the command that removes it removes both of what it became."""
    written = imported(rule(("train", {}), ScheduleExpression="cron(0 8 * * * *)"), schedule())
    assert (written.triggers, len(written.left_out)) == (1, 1)


def test_a_stack_s_own_resources_are_to_be_removed_there() -> None:
    """The stack would miss what a command had removed."""
    owned = "it belongs to the stack shop; remove it there"
    written = imported(replace(schedule(), owner=owned), replace(rule(("train", {})), owner=owned)).text
    assert f"# Was schedule default/Nightly_Run; {owned}\n" in written
    assert f"# Was rule default/orders; {owned}\n" in written
    assert "aws " not in written


def test_a_comment_stays_one_line_and_yaml(tmp_path: Path) -> None:
    """Whatever it repeats."""
    odd = "at(\n1\x852\x7f3\ufffe)"
    written = imported(schedule(ScheduleExpression=odd), schedule({"P": ""}, Description="a\x85\x7f\n${Name}"))
    assert "# Left out: schedule default/Nightly_Run: at( 1 2\\x7f3\\ufffe) is not an at" in written.text
    assert "# Not carried over: its description, a \\x7f ${Name}\n" in written.text
    assert len(loaded(tmp_path, written)) == 1


def test_the_bounds_to_come_and_the_window_are_carried_over(tmp_path: Path) -> None:
    """In UTC."""
    changes: dict[str, Any] = {
        "StartDate": datetime(2098, 1, 1, tzinfo=UTC),
        "EndDate": datetime(2099, 1, 1, tzinfo=UTC),
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15},
        "ScheduleExpressionTimezone": "Asia/Tokyo",
    }
    (trigger,) = loaded(tmp_path, imported(schedule(**changes)))
    assert trigger.when.fields == {
        "cron": "0 2 * * ? *",
        "timezone": "Asia/Tokyo",
        "start": "2098-01-01T00:00:00Z",
        "end": "2099-01-01T00:00:00Z",
        "jitter": "15",
    }


def test_a_rate_counts_from_its_start_while_that_is_to_come(tmp_path: Path) -> None:
    """Which is carried over, so that nothing is lost."""
    written = imported(schedule(ScheduleExpression="rate(5 minutes)", StartDate=datetime(2098, 1, 1, tzinfo=UTC)))
    assert loaded(tmp_path, written)[0].when.fields == {"rate": "5 minutes", "start": "2098-01-01T00:00:00Z"}
    assert "Not carried over" not in written.text


def test_names_that_would_be_the_same_are_numbered(tmp_path: Path) -> None:
    """In the order of the account's names, so that the same account gives the same document."""
    names = ("Nightly_Run", "nightly.run", "n" * 64, "---")
    found = [schedule(Name=name) for name in names]
    written = imported(*found)
    assert imported(*reversed(found)) == written
    ids = [trigger.id for trigger in loaded(tmp_path, written)]
    assert sorted(ids) == ["moved/nightly-run", "moved/nightly-run-2", "moved/" + "n" * 64, "moved/trigger"]


def test_each_trigger_has_the_command_that_removes_its_origin() -> None:
    """A rule with other targets stays, without those that are pipelines."""
    written = imported(rule(("train", {}), others=2, bus="shop"), schedule(GroupName="g")).text
    assert "To remove that: aws events remove-targets --rule orders --event-bus-name shop --ids t0\n" in written
    assert "# Not carried over: its other 2 targets stay as they are\n" in written
    assert "To remove that: aws scheduler delete-schedule --group-name g --name Nightly_Run\n" in written
