"""Orphans are found and removed; nothing else is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto.events.models import events_backends

from tests.localaws.local_aws import deletion
from tests.simulation.janitor_world import (
    DELETED,
    DENIED,
    HOME,
    NEIGHBOURS,
    ROLE,
    SWEEP,
    UNIVERSAL,
    Account,
    Before,
    answered,
    everything,
    native,
    put_rule,
    put_schedule,
    schedules,
    targets,
    universal,
)


def kept(account: Account) -> list[dict[str, str]]:
    """Return what the only report says was kept."""
    (report,) = account.reports
    return list(report["kept"])


def denying_once(call: str) -> Before:
    """Deny the first call of this name."""
    denials = iter([answered(403, DENIED)])
    return lambda name, _: next(denials, None) if name == call else None


def change_schedule(name: str, target: Mapping[str, Any]) -> None:
    """Give a schedule another target."""
    scheduler: Any = boto3.client("scheduler")
    fields = {"ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"}}
    scheduler.update_schedule(Name=name, Target={**target, "RoleArn": ROLE}, **fields)


@pytest.mark.parametrize("body", [DELETED, SWEEP])
def test_all_references_to_a_missing_pipeline_are_removed(account: Account, body: str) -> None:
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


def test_a_pipeline_in_another_spelling_exists(account: Account) -> None:
    """SageMaker writes names in ARNs in lower case: a target that says train may mean Train."""
    account.sagemaker.pipelines = {"Train": 0}
    put_schedule("lower", native("train"))
    put_rule("lower", {"p": "train"})
    account.work(SWEEP)
    account.work(json.dumps({"deletion": deletion("train")}))
    assert account.removals() == []


def test_all_pages_are_read(account: Account) -> None:
    """Of schedules and of rules; a pipeline is looked up once, and again right before each removal."""
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


def test_a_pipeline_elsewhere_is_never_looked_up(account: Account) -> None:
    """What starts a pipeline of another account or Region stays, and is reported."""
    put_schedule("region", {"Arn": native("train")["Arn"].replace(HOME.region, "us-east-1")})
    put_schedule("account", {"Arn": native("train")["Arn"].replace(HOME.account, "210987654321")})
    account.work(SWEEP)
    assert account.removals() == []
    assert "DescribePipeline" not in account.calls
    assert {one["what"] for one in kept(account)} == {"schedule default/region", "schedule default/account"}
    assert all("can't be looked up from here" in one["reason"] for one in kept(account))


def test_resources_of_stacks_stay(account: Account) -> None:
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
    assert {one["reason"] for one in kept(account)} == {"it belongs to the stack shop; remove it there"}
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
    assert {one["reason"] for one in kept(account)} == {"it belongs to the stack shop; remove it there"}


def test_possible_resources_of_a_large_stack_stay(account: Account) -> None:
    """Of the resources of a stack, CloudFormation names the first hundred, and says nothing of the others."""
    account.cloudformation.resources = {
        f"other-{number}": ("AWS::Events::Rule", "large", "CREATE_COMPLETE") for number in range(100)
    }
    account.cloudformation.resources["owned"] = ("AWS::Scheduler::Schedule", "large", "CREATE_COMPLETE")
    put_schedule("owned", native("train"))
    put_schedule("free", native("train"))
    account.work(DELETED)
    assert schedules() == {"default/owned"}
    assert [one["reason"] for one in kept(account)] == [
        "it may belong to the stack large, which has too many resources to tell"
    ]


def test_a_rule_that_carries_its_stack_s_tag_stays(account: Account) -> None:
    """CloudFormation tags what it can; what it answers of a physical id may be of another stack."""
    put_rule("r", {"p": "train"}, Tags=[{"Key": "aws:cloudformation:stack-name", "Value": "shop"}])
    account.work(DELETED)
    assert account.removals() == []
    assert [one["reason"] for one in kept(account)] == ["it belongs to the stack shop; remove it there"]


def test_managed_rules_and_what_is_ignored_stay(account: Account) -> None:
    """Both are reported, without a question to CloudFormation."""
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
    assert {one["what"]: one["reason"] for one in kept(account)} == {
        "schedule etl/any": "JanitorIgnore matches it: etl",
        "schedule team/keep-this": "JanitorIgnore matches it: keep-*",
        "schedule team/exact": "JanitorIgnore matches it: team/exact",
        "rule default/managed target p": "its rule is managed by x.amazonaws.com",
    }
    assert account.calls.count("DescribeStackResources") == 1


def test_a_sweep_leaves_what_is_being_deleted_to_the_next(account: Account) -> None:
    """One pipeline that takes long holds up no other."""
    put_schedule("deleting", native("slow"))
    put_schedule("gone", native("train"))
    account.sagemaker.deleting = {"slow"}
    account.work(SWEEP)
    assert schedules() == {"default/deleting"}


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException", "ThrottlingException"])
def test_only_resource_not_found_counts_as_gone(account: Account, code: str) -> None:
    """A denial, a refusal or a throttled call says nothing."""
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


@pytest.mark.parametrize("call", ["GetSchedule", "DescribeStackResources", "ListTargetsByRule"])
def test_an_unreadable_thing_does_not_hold_up_others(account: Account, call: str) -> None:
    """It stays and is reported: what it starts is unknown."""
    put_schedule("a", universal("train"))
    put_schedule("b", universal("train"))
    put_rule("c", {"p": "train"})
    put_rule("d", {"p": "train"})
    account.before = denying_once(call)
    account.work(SWEEP)
    (denied,) = kept(account)
    assert "not you" in denied["reason"]
    assert len(account.reports[0]["removed"]) == 3
    (left,) = schedules() | targets()
    assert left.removesuffix("/p") in denied["what"]


def test_a_pipeline_that_may_not_be_described_stops_no_sweep(account: Account) -> None:
    """What starts it is kept with AWS's words, and it is looked up once; all other orphans are removed."""
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
    assert len(kept(account)) == 6


@pytest.mark.parametrize(
    "name", [f"a{'-' * 3000}b", "trai\N{LATIN SMALL LETTER LONG S}n", "\N{KELVIN SIGN}train", "a" * 257, "train-", ""]
)
def test_a_name_that_no_pipeline_can_have_stops_no_sweep(account: Account, name: str) -> None:
    """Scheduler accepts any text in a universal target's Input; no call is made for it."""
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
    assert {one["reason"] for one in kept(account)} == {
        "its Input names PipelineName twice, and which one counts is not known"
    }


def test_an_input_that_comes_to_name_two_pipelines_stays(account: Account) -> None:
    """It was changed between the look and the removal."""
    put_schedule("s", universal("train"))

    def change(name: str, _: int) -> None:
        if name == "SendMessage":
            change_schedule("s", twice("train-v2", "train"))

    account.before = change
    account.work(SWEEP)
    assert account.removals() == []
    assert [one["what"] for one in kept(account)] == ["schedule default/s"]


@pytest.mark.parametrize("body", [DELETED, SWEEP])
@pytest.mark.parametrize("call", ["DescribeRule", "ListTargetsByRule", "ListTagsForResource"])
def test_a_rule_that_may_not_be_read_stops_nothing(account: Account, body: str, call: str) -> None:
    """Whether its pipeline's deletion finds it or a sweep."""
    put_rule("denied", {"p": "train"})
    put_rule("gone", {"p": "train"})
    account.before = denying_once(call)
    account.work(body)
    assert len(targets()) == (call in account.calls)
    assert account.queues.dead == []


@pytest.mark.parametrize("call", ["DeleteSchedule", "RemoveTargets", "PutItem"])
def test_a_refused_removal_does_not_hold_up_others(account: Account, call: str) -> None:
    """It stays and is reported, and so is what was removed."""
    put_schedule("a", native("train"))
    put_schedule("b", native("train"))
    put_rule("c", {"p": "train"})
    account.before = denying_once(call)
    account.work(DELETED)
    (denied,) = kept(account)
    assert "not you" in denied["reason"]
    assert len(account.reports[0]["removed"]) == 2
    assert len(schedules() | targets()) == 1
    assert account.queues.dead == []


def test_a_target_that_eventbridge_refuses_to_remove_stays(account: Account) -> None:
    """RemoveTargets answers 200 though it failed, and will fail again."""
    put_rule("one", {"a": "train"})
    account.before = failing_once("AccessDeniedException", [])
    account.work(DELETED)
    assert targets() == {"default/one/a"}
    assert [one["reason"] for one in kept(account)] == [
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


def test_a_rule_with_a_new_target_stays(account: Account) -> None:
    """EventBridge refuses to delete it, which is not a failure."""
    put_rule("one", {"a": "train"})

    def busy(name: str, _: int) -> None:
        if name == "DeleteRule":
            put_rule("one", {"new": "train-v2"})

    account.before = busy
    account.work(DELETED)
    assert targets() == {"default/one/new"}


def failing_once(code: str, calls: list[str]) -> Before:
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


def test_changed_targets_stay(account: Account) -> None:
    """It was changed between the look and the removal."""
    put_schedule("s", native("train"))
    put_rule("r", {"p": "train"})

    def changed(name: str, _: int) -> None:
        if name == "SendMessage":
            change_schedule("s", native("train-v2"))
            put_rule("r", {"p": "train-v2"})

    account.before = changed
    account.work(DELETED)
    assert account.removals() == []
    assert {one["reason"] for one in kept(account)} == {"it now starts something else"}
