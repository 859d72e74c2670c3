"""The janitor: no orphan stays, nothing else goes."""

from __future__ import annotations

import copy
import functools
import itertools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto.events.models import events_backends
from pipeline_triggers.janitor import snapshots
from pipeline_triggers.janitor.cleanups import Orphan

from tests.localaws.local_aws import deletion
from tests.simulation import sweep
from tests.simulation.janitor_world import (
    DENIED,
    HOME,
    REMOVALS,
    ROLE,
    THROTTLED,
    UNIVERSAL,
    Account,
    Killed,
    answered,
    native,
    put_rule,
    put_schedule,
    schedules,
    targets,
    universal,
)

SWEEP = '{"sweep": "remove"}'
DELETED = json.dumps({"deletion": deletion("Train")})


@pytest.fixture(scope="module")
def installed() -> Iterator[Account]:
    """One account for all tests, since clients take their time to make."""
    with Account().installed() as installed:
        yield installed


@pytest.fixture
def account(installed: Account) -> Account:
    """An account whose pipeline ``train`` is gone, and ``train-v2`` is there."""
    installed.reset("train-v2")
    return installed


def everything() -> None:
    """Let each kind of pointer point at ``train``, and one of each kind at ``train-v2``."""
    scheduler: Any = boto3.client("scheduler")
    events: Any = boto3.client("events")
    scheduler.create_schedule_group(Name="team")
    events.create_event_bus(Name="team")
    for name in ("train", "train-v2"):
        put_schedule(f"native-{name}", native(name))
        put_schedule(f"upper-{name}", native(name.capitalize()), "team")
        put_schedule(f"universal-{name}", universal(name), "team")
        put_rule(f"rule-{name}", {"p": name})
        put_rule(f"upper-{name}", {"p": name.capitalize()}, "team")
    put_rule("both", {"train": "train", "train-v2": "train-v2"}, "team")


NEIGHBOURS = (
    {"default/native-train-v2", "team/upper-train-v2", "team/universal-train-v2"},
    {"default/rule-train-v2/p", "team/upper-train-v2/p", "team/both/train-v2"},
)


@pytest.mark.parametrize("body", [DELETED, SWEEP])
def test_what_points_at_a_pipeline_that_is_gone_is_removed(account: Account, body: str) -> None:
    """In every group and on every bus, in both spellings, by ARN or in a universal target's Input; nothing else."""
    everything()
    account.work(body)
    assert (schedules(), targets()) == NEIGHBOURS
    (report,) = account.reports
    assert len(report["removed"]) == 6


def test_a_deletion_concerns_its_own_pipeline_only(account: Account) -> None:
    """What another pipeline that is gone has left is left to its own event, and to the sweep."""
    everything()
    account.sagemaker.pipelines = {}
    account.work(DELETED)
    assert (schedules(), targets()) == NEIGHBOURS


def wrong_events() -> Iterator[tuple[str, Any]]:
    """Give events that are none of a pipeline that was deleted here."""
    for path, value in (
        (("detail", "errorCode"), "ConflictException"),
        (("account",), "210987654321"),
        (("region",), "us-east-1"),
        (("detail", "eventSource"), "codepipeline.amazonaws.com"),
        (("detail", "eventName"), "UpdatePipeline"),
        (("source",), "aws.codepipeline"),
    ):
        event: Any = copy.deepcopy(deletion("train"))
        inner = event
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
        yield f"{path[-1]}={value}", event


@pytest.mark.parametrize("event", [event for _, event in wrong_events()], ids=[name for name, _ in wrong_events()])
def test_an_event_of_anything_else_removes_nothing(account: Account, event: Any) -> None:
    """A failed delete, another account or Region, another service's DeletePipeline: not even a call is made."""
    everything()
    assert account.deliver(json.dumps({"deletion": event}))
    assert account.calls == []
    assert account.queues.dead == []


@pytest.mark.parametrize("body", ["", "{", "[]", '{"sweep": "all"}', '{"deletion": 1}', "[" * 100_000])
def test_what_the_janitor_does_not_know_is_quarantined(account: Account, body: str) -> None:
    """With its reason, and without a retry."""
    assert account.deliver(body)
    (dead,) = account.queues.dead
    assert dead["MessageBody"] == body
    assert "the message is" in dead["MessageAttributes"]["reason"]["StringValue"]


def test_a_pipeline_of_another_spelling_is_there(account: Account) -> None:
    """SageMaker writes names in ARNs in lower case: a target that says train may mean Train."""
    account.sagemaker.pipelines = {"Train": 0}
    put_schedule("lower", native("train"))
    put_rule("lower", {"p": "train"})
    account.work(SWEEP)
    account.work(json.dumps({"deletion": deletion("train")}))
    assert account.removals() == []


def test_pages_are_all_looked_at(account: Account) -> None:
    """Of schedules and of rules; a pipeline is asked for once, and again right before each removal."""
    for number in range(230):
        put_schedule(f"s-{number:03}", native("train" if number % 50 == 49 else "train-v2"))
    for number in range(103):
        put_rule(f"r-{number:03}", {"p": "train" if number == 102 else "train-v2"})
    account.work(SWEEP)
    assert len(schedules()) == 226
    assert "default/r-102" not in {name.rpartition("/")[0] for name in targets()}
    (report,) = account.reports
    assert report["looked_at"] == 230 + 103
    assert account.calls.count("ListSchedules") == 3
    assert account.calls.count("DescribePipeline") == 2 + 4 + 2  # a rule and its target are two removals


def test_a_pipeline_elsewhere_is_never_asked_for(account: Account) -> None:
    """What starts a pipeline of another account or Region stays, and is reported."""
    put_schedule("region", {"Arn": native("train")["Arn"].replace(HOME.region, "us-east-1")})
    put_schedule("account", {"Arn": native("train")["Arn"].replace(HOME.account, "210987654321")})
    account.work(SWEEP)
    assert account.removals() == []
    assert "DescribePipeline" not in account.calls
    (report,) = account.reports
    assert {one["what"] for one in report["kept"]} == {"schedule default/region", "schedule default/account"}
    assert all("can't be asked from here" in one["reason"] for one in report["kept"])


def test_what_cloudformation_owns_stays(account: Account) -> None:
    """It is reported with its stack; what a deleted stack once owned goes, and so does what only shares a name."""
    events: Any = boto3.client("events")
    events.create_event_bus(Name="team")
    account.cloudformation.resources = {
        "owned": ("AWS::Scheduler::Schedule", "shop", "CREATE_COMPLETE"),
        "retained": ("AWS::Scheduler::Schedule", "former", "DELETE_SKIPPED"),
        "deleted": ("AWS::Scheduler::Schedule", "former", "DELETE_COMPLETE"),
        "shared": ("AWS::SageMaker::Pipeline", "other", "CREATE_COMPLETE"),
        "team|rule": ("AWS::Events::Rule", "shop", "UPDATE_COMPLETE"),
    }
    for name in ("owned", "retained", "deleted", "shared"):
        put_schedule(name, native("train"))
    put_rule("rule", {"p": "train"}, "team")
    account.work(DELETED)
    assert schedules() == {"default/owned"}
    assert targets() == {"team/rule/p"}
    (report,) = account.reports
    assert {one["reason"] for one in report["kept"]} == {"it belongs to the stack shop: remove it there"}
    assert account.calls.count("DescribeStackResources") == 4 + 2  # the rule's name, and its name with its bus


def test_a_rule_is_owned_by_its_arn_too(account: Account) -> None:
    """The registry identifies rules by ARN; which of both DescribeStackResources knows is not documented."""
    events: Any = boto3.client("events")
    events.create_event_bus(Name="team")
    for bus in ("default", "team"):
        put_rule("owned", {"p": "train"}, bus)
        put_rule("free", {"p": "train"}, bus)
        arn = events.describe_rule(Name="owned", EventBusName=bus)["Arn"]
        account.cloudformation.resources[arn] = ("AWS::Events::Rule", "shop", "CREATE_COMPLETE")
    account.work(DELETED)
    assert targets() == {"default/owned/p", "team/owned/p"}
    (report,) = account.reports
    assert {one["reason"] for one in report["kept"]} == {"it belongs to the stack shop: remove it there"}


def test_what_may_belong_to_a_large_stack_stays(account: Account) -> None:
    """Of the resources of a stack, CloudFormation names the first hundred, and says nothing of the others."""
    account.cloudformation.resources = {
        f"other-{number}": ("AWS::Events::Rule", "large", "CREATE_COMPLETE") for number in range(100)
    }
    account.cloudformation.resources["owned"] = ("AWS::Scheduler::Schedule", "large", "CREATE_COMPLETE")
    put_schedule("owned", native("train"))
    put_schedule("free", native("train"))
    account.work(DELETED)
    assert schedules() == {"default/owned"}
    (report,) = account.reports
    assert [one["reason"] for one in report["kept"]] == [
        "it may belong to the stack large, which has too many resources to tell"
    ]


def test_a_rule_that_carries_its_stack_s_tag_stays(account: Account) -> None:
    """CloudFormation tags what it can; what it answers of a physical id may be of another stack."""
    put_rule("r", {"p": "train"}, Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "shop"}])
    account.work(DELETED)
    assert account.removals() == []
    (report,) = account.reports
    assert [one["reason"] for one in report["kept"]] == ["it belongs to the stack shop: remove it there"]


def test_managed_rules_and_what_is_ignored_stay(account: Account) -> None:
    """Both are reported, and CloudFormation is not even asked."""
    account.configure(IGNORE="etl, keep-*, team/exact")
    scheduler: Any = boto3.client("scheduler")
    for group in ("etl", "team"):
        scheduler.create_schedule_group(Name=group)
    put_schedule("any", native("train"), "etl")
    put_schedule("keep-this", native("train"), "team")
    put_schedule("exact", native("train"), "team")
    put_schedule("exact", native("train"))
    put_rule("managed", {"p": "train"})
    rules = events_backends[HOME.account][HOME.region].event_buses["default"].rules
    rules["managed"].managed_by = "x.amazonaws.com"
    account.work(DELETED)
    assert schedules() == {"etl/any", "team/keep-this", "team/exact"}
    assert targets() == {"default/managed/p"}
    (report,) = account.reports
    assert {one["what"]: one["reason"] for one in report["kept"]} == {
        "schedule etl/any": "JanitorIgnore names it: etl",
        "schedule team/keep-this": "JanitorIgnore names it: keep-*",
        "schedule team/exact": "JanitorIgnore names it: team/exact",
        "rule default/managed target p": "its rule is managed by x.amazonaws.com",
    }
    assert account.calls.count("DescribeStackResources") == 1


def test_a_pipeline_that_is_being_deleted_is_waited_for(account: Account) -> None:
    """The clean-up comes again after a while, and does its work when the pipeline is gone."""
    everything()
    account.sagemaker.deleting = {"Train"}
    assert account.deliver(DELETED)
    assert account.removals() == []
    ((body, delay),) = account.queues.messages
    assert delay == 60
    account.queues.messages.clear()
    account.sagemaker.deleting = set()
    account.work(body)
    assert (schedules(), targets()) == NEIGHBOURS


@pytest.mark.parametrize("body", [DELETED, SWEEP])
def test_what_is_found_is_removed_only_after_the_queue_s_delay(account: Account, body: str) -> None:
    """A delete may be the first half of an update, for the sweep as well; SQS counts a delay in the call instead."""
    put_schedule("s", native("train"))
    assert account.deliver(body)
    ((_, delay),) = account.queues.messages
    assert delay is None


def test_a_clean_up_that_is_not_through_goes_on_at_once(account: Account) -> None:
    """Only the time of the function is over."""
    for number in range(101):
        put_schedule(f"s-{number}", native("train-v2"))
    account.pace = 100
    assert account.deliver(SWEEP)
    ((_, delay),) = account.queues.messages
    assert delay == 0


def test_a_sweep_leaves_what_is_being_deleted_to_the_next(account: Account) -> None:
    """One pipeline that takes long holds up no other."""
    put_schedule("deleting", native("slow"))
    put_schedule("gone", native("train"))
    account.sagemaker.deleting = {"slow"}
    account.work(SWEEP)
    assert schedules() == {"default/deleting"}


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ThrottlingException"])
def test_only_sagemaker_s_own_word_that_a_pipeline_is_not_there_counts(account: Account, code: str) -> None:
    """A denial, a refusal or a rate is no such word."""
    everything()
    before = schedules(), targets()

    def denied(name: str, _: int) -> AWSResponse | None:
        return answered(400, {"__type": code, "message": "no"}) if name == "DescribePipeline" else None

    account.before = denied
    for receives in range(1, 5):
        for body in (DELETED, SWEEP, *(following for following, _ in account.queues.messages)):
            account.deliver(body, receives=receives)
    assert account.removals() == []
    assert (schedules(), targets()) == before


def test_what_fails_again_and_again_is_quarantined_with_its_reason(account: Account) -> None:
    """Before SQS moves it there without one."""
    put_schedule("s", native("train"))
    account.before = lambda *_: answered(403, {"__type": "AccessDeniedException", "message": "not you"})
    assert [account.deliver(DELETED, receives=receives) for receives in (1, 2, 3, 4)] == [False, False, False, True]
    (dead,) = account.queues.dead
    assert dead["MessageBody"] == DELETED
    assert "not you" in dead["MessageAttributes"]["reason"]["StringValue"]


def test_a_clean_up_is_given_up_by_its_age(account: Account) -> None:
    """It has waited for three days, and somebody must look at it."""
    account.sagemaker.deleting = {"Train"}
    account.deliver(DELETED)
    ((body, _),) = account.queues.messages
    old = json.loads(body)
    old["cleanup"]["waits_since"] -= 72 * 3600
    assert account.deliver(json.dumps(old))
    (dead,) = account.queues.dead
    assert "not done within 72 hours" in dead["MessageAttributes"]["reason"]["StringValue"]


def test_what_was_removed_before_it_is_given_up_is_reported(account: Account) -> None:
    """And sent again from the dead-letter queue, it goes on from there."""
    for name in ("a", "b"):
        put_schedule(name, native("train"))

    def busy(name: str, _: int) -> AWSResponse | None:
        slow = name == "DeleteSchedule" and len(account.removals()) > 1
        return answered(400, THROTTLED) if slow else None

    account.before = busy
    account.deliver(DELETED)
    account.deliver(account.queues.messages.pop()[0])
    ((body, _),) = account.queues.messages
    old = json.loads(body)
    old["cleanup"]["waits_since"] -= 72 * 3600
    account.queues.messages.clear()
    account.deliver(json.dumps(old))
    (report,) = account.reports
    assert report["summary"] == "pipeline Train was deleted: 1 removed, 0 kept, 1 left"
    (dead,) = account.queues.dead
    assert account.deliver(dead["MessageBody"])
    assert [delay for _, delay in account.queues.messages] == [60]
    account.before = lambda *_: None
    account.work(account.queues.messages.pop()[0])
    assert schedules() == set()
    assert len(account.reports[-1]["removed"]) == 2


@pytest.mark.parametrize("call", ["GetSchedule", "DescribeStackResources", "ListTargetsByRule"])
def test_what_aws_refuses_to_show_of_one_thing_holds_up_no_other(account: Account, call: str) -> None:
    """It stays and is reported: nobody knows what it is."""
    put_schedule("a", universal("train"))
    put_schedule("b", universal("train"))
    put_rule("c", {"p": "train"})
    put_rule("d", {"p": "train"})
    denied: list[str] = []

    def deny(name: str, _: int) -> AWSResponse | None:
        if name == call and not denied:
            denied.append(name)
            return answered(403, DENIED)
        return None

    account.before = deny
    account.work(SWEEP)
    (report,) = account.reports
    (kept,) = report["kept"]
    assert "not you" in kept["reason"]
    assert len(report["removed"]) == 3
    (left,) = schedules() | targets()
    assert left.removesuffix("/p") in kept["what"]


def test_a_pipeline_that_may_not_be_described_stops_no_sweep(account: Account) -> None:
    """What starts it is kept with AWS's words, and it is asked for once; all other orphans are removed."""
    for number in range(3):
        put_schedule(f"denied-{number}", native("secret"))
    put_rule("denied", {"p": "secret"})
    put_schedule("gone", native("train"))
    put_rule("gone", {"p": "train"})
    account.sagemaker.denied = {"secret"}
    account.work(SWEEP)
    assert schedules() == {f"default/denied-{number}" for number in range(3)}
    assert targets() == {"default/denied/p"}
    (report,) = account.reports
    assert len(report["removed"]) == 2
    assert {one["pipeline"] for one in report["kept"]} == {"secret"}
    assert all("explicit deny" in one["reason"] for one in report["kept"])
    assert account.queues.dead == []
    assert account.calls.count("DescribePipeline") <= 2 * account.invocations + 3


def test_a_denied_listing_of_pipelines_keeps_all(account: Account) -> None:
    """Another spelling of the name may exist."""
    everything()
    before = schedules(), targets()
    account.before = lambda name, _: answered(403, DENIED) if name == "ListPipelines" else None
    account.work(SWEEP)
    assert (schedules(), targets()) == before
    (report,) = account.reports
    assert len(report["kept"]) == 6


@pytest.mark.parametrize(
    "name", [f"a{'-' * 3000}b", "trai\N{LATIN SMALL LETTER LONG S}n", "\N{KELVIN SIGN}train", "a" * 257, "train-", ""]
)
def test_a_name_that_no_pipeline_can_have_stops_no_sweep(account: Account, name: str) -> None:
    """Scheduler takes any text in a universal target's Input; SageMaker is not even asked for it."""
    put_schedule("odd", universal(name))
    put_schedule("gone", native("train"))
    account.work(SWEEP)
    assert schedules() == {"default/odd"}
    assert account.queues.dead == []


def twice(first: str, second: str, key: str = "PipelineName") -> dict[str, str]:
    """Return a universal target whose Input names two pipelines."""
    return {"Arn": UNIVERSAL, "Input": f'{{"PipelineName": "{first}", "{key}": "{second}"}}'}


@pytest.mark.parametrize("key", ["PipelineName", "pipelineName"])
def test_an_input_that_names_two_pipelines_is_not_judged(account: Account, key: str) -> None:
    """Which of both counts is not known: it stays, with the reason."""
    put_schedule("first", twice("train", "train-v2", key))
    put_schedule("second", twice("train-v2", "train", key))
    put_schedule("same", twice("train", "train", key))
    put_schedule("gone", native("train"))
    account.work(SWEEP)
    assert schedules() == {"default/first", "default/second", "default/same"}
    (report,) = account.reports
    assert {one["reason"] for one in report["kept"]} == {
        "its Input names PipelineName twice, and which one counts is not known"
    }


def test_an_input_that_comes_to_name_two_pipelines_stays(account: Account) -> None:
    """It was changed between the look and the removal."""
    scheduler: Any = boto3.client("scheduler")
    put_schedule("s", universal("train"))

    def change(name: str, _: int) -> None:
        if name == "SendMessage":
            target = {**twice("train-v2", "train"), "RoleArn": ROLE}
            scheduler.update_schedule(
                Name="s", ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
            )

    account.before = change
    account.work(SWEEP)
    assert account.removals() == []
    (report,) = account.reports
    assert [one["what"] for one in report["kept"]] == ["schedule default/s"]


@pytest.mark.parametrize("body", [DELETED, SWEEP])
@pytest.mark.parametrize("call", ["DescribeRule", "ListTargetsByRule", "ListTagsForResource"])
def test_a_rule_that_may_not_be_read_stops_nothing(account: Account, body: str, call: str) -> None:
    """Whether its pipeline's deletion finds it or a sweep."""
    put_rule("denied", {"p": "train"})
    put_rule("gone", {"p": "train"})
    denied: list[str] = []

    def deny(name: str, _: int) -> AWSResponse | None:
        if name == call and not denied:
            denied.append(name)
            return answered(403, DENIED)
        return None

    account.before = deny
    account.work(body)
    assert len(targets()) == len(denied)
    assert account.queues.dead == []


@pytest.mark.parametrize("call", ["DeleteSchedule", "RemoveTargets", "PutItem"])
def test_what_aws_refuses_to_remove_holds_up_no_other(account: Account, call: str) -> None:
    """It stays and is reported, and so is what was removed."""
    put_schedule("a", native("train"))
    put_schedule("b", native("train"))
    put_rule("c", {"p": "train"})
    denied: list[str] = []

    def deny(name: str, _: int) -> AWSResponse | None:
        if name == call and not denied:
            denied.append(name)
            return answered(403, DENIED)
        return None

    account.before = deny
    account.work(DELETED)
    (report,) = account.reports
    (kept,) = report["kept"]
    assert "not you" in kept["reason"]
    assert len(report["removed"]) == 2
    assert len(schedules() | targets()) == 1
    assert account.queues.dead == []


def test_a_target_that_eventbridge_refuses_to_remove_stays(account: Account) -> None:
    """RemoveTargets answers 200 though it failed, and will fail again."""
    put_rule("one", {"a": "train"})
    account.before = failing_once("AccessDeniedException", [])
    account.work(DELETED)
    assert targets() == {"default/one/a"}
    (report,) = account.reports
    assert [one["reason"] for one in report["kept"]] == [
        "EventBridge did not remove rule default/one target a: AccessDeniedException: no"
    ]


def test_more_orphans_than_may_be_removed_all_stay(account: Account) -> None:
    """A bug or an outage makes everything look orphaned: nothing is removed, one alarm, and a report."""
    account.configure(MOST_REMOVALS="2")
    for number in range(120):
        put_schedule(f"s-{number}", native("train"))
    for body in (DELETED, SWEEP):
        account.calls.clear()
        account.work(body)
        assert account.removals() == []
        assert account.calls.count("ListSchedules") == 1
    assert len(schedules()) == 120
    assert [report["summary"] for report in account.reports] == [
        "pipeline Train was deleted: more than 2 orphans, so nothing was removed",
        "a sweep: more than 2 orphans, so nothing was removed",
    ]


def test_exactly_as_many_as_may_be_removed_are(account: Account) -> None:
    """The limit is what may be."""
    account.configure(MOST_REMOVALS="2")
    for number in range(2):
        put_schedule(f"s-{number}", native("train"))
    account.work(DELETED)
    assert schedules() == set()


def test_too_many_orphans_raise_the_alarm(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """The alarm of the stack looks at this count."""
    account.configure(MOST_REMOVALS="1")
    for number in range(2):
        put_schedule(f"s-{number}", native("train"))
    account.work(DELETED)
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert [metric["TOO_MANY_ORPHANS"] for metric in metrics if "TOO_MANY_ORPHANS" in metric] == [[1.0]]


def test_a_sweep_only_reports_unless_it_is_told_to_remove(account: Account) -> None:
    """It changes nothing, and tells what it found."""
    everything()
    before = schedules(), targets()
    account.work('{"sweep": "report"}')
    assert account.writes() == ["PutEvents"]
    assert (schedules(), targets()) == before
    (report,) = account.reports
    assert report["summary"] == "a sweep: 6 found, 0 kept"
    assert len(report["found"]) == 6


def test_a_report_of_many_orphans_raises_no_alarm(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """It was to remove nothing; it says that there may be more than it lists, and what lists all."""
    account.configure(MOST_REMOVALS="2")
    for number in range(120):
        put_schedule(f"s-{number}", native("train"))
    account.work('{"sweep": "report"}')
    (report,) = account.reports
    assert report["summary"] == "a sweep: 3 or more found; triggers orphans --stack stack lists all"
    assert "remedy" not in report
    assert "TOO_MANY_ORPHANS" not in capsys.readouterr().out


def test_a_clean_up_that_finds_nothing_tells_nobody(account: Account) -> None:
    """But its log."""
    put_schedule("s", native("train-v2"))
    for body in (SWEEP, DELETED, json.dumps({"deletion": deletion("train-v2")})):
        account.work(body)
    assert account.writes() == []


def test_a_rule_keeps_its_other_targets_and_loses_none_by_the_way(account: Account) -> None:
    """It goes with its last target only."""
    put_rule("two", {"a": "train", "b": "train"})
    put_rule("one", {"a": "train", "b": "train-v2"})
    account.work(DELETED)
    assert targets() == {"default/one/b"}


def test_an_empty_rule_stays_when_the_stack_says_so(account: Account) -> None:
    """A parameter says what becomes of it."""
    account.configure(EMPTY_RULES="keep")
    put_rule("one", {"a": "train"})
    account.work(DELETED)
    assert targets() == {"default/one"}


def test_a_rule_that_has_got_a_target_meanwhile_stays(account: Account) -> None:
    """EventBridge refuses to delete it, and that is no failure."""
    put_rule("one", {"a": "train"})

    def busy(name: str, _: int) -> None:
        if name == "DeleteRule":
            put_rule("one", {"new": "train-v2"})

    account.before = busy
    account.work(DELETED)
    assert targets() == {"default/one/new"}


def failing_once(code: str, calls: list[str]) -> Callable[[str, int], AWSResponse | None]:
    """Let RemoveTargets fail in part the first time."""

    def before(name: str, _: int) -> AWSResponse | None:
        calls.append(name)
        if name == "RemoveTargets" and calls.count(name) == 1:
            failed = {"TargetId": "a", "ErrorCode": code, "ErrorMessage": "no"}
            return answered(200, {"FailedEntryCount": 1, "FailedEntries": [failed]})
        return None

    return before


@pytest.mark.parametrize("code", ["ConcurrentModificationException", "InternalException"])
def test_a_target_that_was_not_removed_is_removed_later(account: Account, code: str) -> None:
    """RemoveTargets answers 200 though it failed; what failed is not reported as removed."""
    put_rule("one", {"a": "train"})
    account.before = failing_once(code, [])
    account.work(DELETED)
    assert targets() == set()
    assert [len(report["removed"]) for report in account.reports] == [1]


def test_an_event_that_was_not_put_is_put_later(account: Account) -> None:
    """PutEvents answers 200 though it failed."""
    put_schedule("s", native("train"))
    tried: list[str] = []

    def busy(name: str, _: int) -> AWSResponse | None:
        if name == "PutEvents" and not tried:
            tried.append(name)
            return answered(200, {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]})
        return None

    account.before = busy
    account.work(DELETED)
    (report,) = account.reports
    assert [one["what"] for one in report["removed"]] == ["schedule default/s"]
    assert account.removals() == ["DeleteSchedule"]


def test_a_topic_is_told_too(account: Account) -> None:
    """What, why, and how to restore."""
    topic = f"arn:aws:sns:{HOME.region}:{HOME.account}:people"
    account.configure(NOTIFICATION_TOPIC=topic)
    sns: Any = boto3.client("sns")
    sqs: Any = boto3.client("sqs")
    sns.create_topic(Name="people")
    queue = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    put_schedule("s", native("train"))
    account.work(DELETED)
    (message,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Subject"] == "pipeline Train was deleted: 1 removed, 0 kept"
    assert json.loads(envelope["Message"])["restore"] == ["triggers restore --stack stack --pipeline train"]


def test_a_topic_that_can_t_be_told_fails_no_clean_up(account: Account, capsys: pytest.CaptureFixture[str]) -> None:
    """The event is put once, and the failure is counted."""
    account.configure(NOTIFICATION_TOPIC=f"arn:aws:sns:{HOME.region}:{HOME.account}:gone")
    put_schedule("s", native("train"))
    account.work(DELETED)
    assert len(account.reports) == 1
    assert account.queues.dead == []
    assert '"NOTIFICATION_FAILED":[1.0]' in capsys.readouterr().out


def test_what_starts_something_else_by_now_stays(account: Account) -> None:
    """It was changed between the look and the removal."""
    scheduler: Any = boto3.client("scheduler")
    put_schedule("s", native("train"))
    put_rule("r", {"p": "train"})

    def changed(name: str, _: int) -> None:
        if name == "SendMessage":
            target = {**native("train-v2"), "RoleArn": ROLE}
            window = {"Mode": "OFF"}
            scheduler.update_schedule(
                Name="s", ScheduleExpression="rate(1 day)", FlexibleTimeWindow=window, Target=target
            )
            put_rule("r", {"p": "train-v2"})

    account.before = changed
    account.work(DELETED)
    assert account.removals() == []
    (report,) = account.reports
    assert {one["reason"] for one in report["kept"]} == {"it starts something else by now"}


def test_the_largest_input_fits_into_a_snapshot(account: Account) -> None:
    """The Scheduler takes 256 KB, DynamoDB 400 KB, whatever characters they are."""
    text = json.dumps({"PipelineName": "train", "Note": '"\\' * 43_000}, ensure_ascii=False)
    put_schedule("large", {"Arn": UNIVERSAL, "Input": text})
    account.work(DELETED)
    assert schedules() == set()
    kept = snapshots.get("snapshots", Orphan("schedule", "default", "large", "", "train"))
    assert kept
    assert kept.was["Target"]["Input"] == text


def test_a_snapshot_expires_when_the_stack_says_so(account: Account) -> None:
    """DynamoDB's TTL looks at a Unix time."""
    account.configure(SNAPSHOT_DAYS="7")
    put_schedule("s", native("train"))
    account.work(DELETED)
    resource: Any = boto3.resource("dynamodb")
    (item,) = resource.Table("snapshots").scan()["Items"]
    assert int(item["expires"]) - int(item["taken_at"]) in (7 * 24 * 3600, 7 * 24 * 3600 + 1)


def one_of_each() -> None:
    """Let one of each kind point at ``train``, and one at ``train-v2``."""
    put_schedule("native", native("train"))
    put_schedule("universal", universal("train"))
    put_rule("rule", {"p": "train"})
    put_schedule("neighbour", native("train-v2"))


@pytest.fixture
def undisturbed(account: Account) -> list[str]:
    """The calls of a clean-up in which nothing happens."""
    one_of_each()
    account.work(DELETED)
    assert account.removals() == ["DeleteSchedule", "DeleteSchedule", "RemoveTargets", "DeleteRule"]
    return list(account.calls)


def test_a_pipeline_that_is_created_again_keeps_what_points_at_it(account: Account, undisturbed: list[str]) -> None:
    """Whenever that happens, nothing is removed after it.

    But for one thing, when it comes between the question for its pipeline and its removal: two calls that follow each
    other, the second of which can't be asked to depend on the first.
    """
    for at, call in enumerate(undisturbed, 1):
        account.reset("train-v2")
        one_of_each()
        removed: list[int] = []

        def create(_: str, number: int, at: int = at, removed: list[int] = removed) -> None:
            if number == at:
                account.sagemaker.pipelines["Train"] = time.time()
                removed.append(len(account.removals()))

        account.before = create
        account.work(DELETED)
        assert len(account.removals()) <= removed[0], f"created before call {at}, {call}"
        pairs = itertools.pairwise(account.calls)
        assert all(before == "DescribePipeline" for before, now in pairs if now in REMOVALS)


def test_a_rule_whose_pipeline_is_created_before_a_crash_is_made_good_stays(account: Account) -> None:
    """Its target is gone already; the rule is not deleted without asking for the pipeline again."""
    put_rule("rule", {"p": "train"})

    def kill(name: str, _: int) -> None:
        if name == "DeleteRule":
            account.before = lambda *_: None
            account.sagemaker.pipelines["Train"] = time.time()
            raise Killed

    account.before = kill
    account.work(DELETED)
    assert targets() == {"default/rule"}


def test_a_crash_at_any_call_changes_nothing_of_the_end(account: Account, undisturbed: list[str]) -> None:
    """SQS delivers the message again: the same is gone, kept as a snapshot and reported."""
    for at, call in enumerate(undisturbed, 1):
        account.reset("train-v2")
        one_of_each()
        account.before = functools.partial(killing, at)
        account.work(DELETED)
        assert (schedules(), targets()) == ({"default/neighbour"}, set()), f"killed before call {at}, {call}"
        kept = {str(snapshot.orphan) for snapshot in snapshots.everything("snapshots")}
        assert {one["what"] for one in account.reports[-1]["removed"]} == kept
        assert len(kept) == 3


def killing(at: int, _: str, number: int) -> None:
    """Kill the function before its call of this number."""
    if number == at:
        raise Killed


def test_an_event_that_comes_twice_changes_nothing_more(account: Account) -> None:
    """CloudTrail's events and SQS's messages may."""
    everything()
    account.work(DELETED)
    removed = account.removals()
    account.work(DELETED)
    assert account.removals() == removed
    assert (schedules(), targets()) == NEIGHBOURS


@pytest.mark.parametrize(
    ("schedules", "universal", "orphans"),
    [(2_000, 200, 100), pytest.param(10_000, 1_000, 300, marks=pytest.mark.thorough)],
)
def test_thousands_of_schedules_are_swept_though_aws_throttles(
    account: Account, monkeypatch: pytest.MonkeyPatch, schedules: int, universal: int, orphans: int
) -> None:
    """Every orphan is removed and nothing else, in several invocations, with no more calls than allowed."""
    monkeypatch.setattr(sweep, "SCHEDULES", schedules)
    monkeypatch.setattr(sweep, "UNIVERSAL_TARGETS", universal)
    monkeypatch.setattr(sweep, "ORPHANS", orphans)
    swept = sweep.sweep(account)
    assert swept.left == swept.expected
    assert swept.invocations > 1
    assert swept.throttled > orphans / 3
    allowed = swept.allowed()
    assert {name: count for name, count in swept.calls.items() if count > allowed.get(name, 0)} == {}
