"""Messages of the janitor: it waits, goes on after a crash, and gives up with a reason."""

from __future__ import annotations

import functools
import itertools
import json
import time

import pytest
from botocore.awsrequest import AWSResponse
from pipeline_triggers.janitor import snapshots

from tests.simulation import sweep
from tests.simulation.janitor_world import (
    DELETED,
    NEIGHBOURS,
    REMOVALS,
    SWEEP,
    THROTTLED,
    Account,
    Killed,
    answered,
    everything,
    native,
    put_rule,
    put_schedule,
    schedules,
    targets,
    universal,
)


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
def test_orphans_are_removed_only_after_the_queue_s_delay(account: Account, body: str) -> None:
    """A delete may be the first half of an update, for the sweep as well; SQS counts a delay in the call instead."""
    put_schedule("s", native("train"))
    assert account.deliver(body)
    ((_, delay),) = account.queues.messages
    assert delay is None


def test_an_unfinished_clean_up_continues_at_once(account: Account) -> None:
    """Only the time of the function is over."""
    for number in range(101):
        put_schedule(f"s-{number}", native("train-v2"))
    account.pace = 100
    assert account.deliver(SWEEP)
    ((_, delay),) = account.queues.messages
    assert delay == 0


def test_repeated_failures_are_quarantined_with_a_reason(account: Account) -> None:
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


def test_removals_before_giving_up_are_reported(account: Account) -> None:
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


def test_a_pipeline_created_again_keeps_its_references(account: Account, undisturbed: list[str]) -> None:
    """Whenever that happens, nothing is removed after it.

    But for one thing, when it comes between the question for its pipeline and its removal: two calls that follow each
    other, the second of which can't depend on the first.
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


def test_a_rule_stays_when_its_pipeline_is_created_before_the_retry(account: Account) -> None:
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
