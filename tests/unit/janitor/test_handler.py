"""Messages of the janitor: it waits, goes on after a crash, and gives up with a reason."""

from __future__ import annotations

import functools
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from botocore.awsrequest import AWSResponse
from pipeline_triggers.janitor import snapshots
from pipeline_triggers.janitor.handler import MAX_FAILURES

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


def denied(name: str, _: int) -> AWSResponse | None:
    """Deny what a clean-up asks SageMaker for."""
    return answered(400, {"__type": "AccessDeniedException", "message": "not you"}) if name == "ListPipelines" else None


def test_repeated_failures_are_quarantined_with_a_reason(account: Account) -> None:
    """Sent again from the dead-letter queue after a fix, it goes on from there."""
    put_schedule("s", native("train"))
    account.before = denied
    account.work(DELETED)
    assert account.invocations == MAX_FAILURES
    (dead,) = account.queues.dead
    reason = dead["MessageAttributes"]["reason"]["StringValue"]
    assert reason.startswith("failed 4 times: ListPipelines: AccessDeniedException: not you")
    account.before = lambda *_: None
    account.work(dead["MessageBody"])
    assert schedules() == set()


def test_a_failed_clean_up_is_retried_after_a_while(account: Account) -> None:
    """A grant may not be in force everywhere yet."""
    put_schedule("s", native("train"))
    account.before = denied
    assert account.deliver(DELETED)
    ((_, delay),) = account.queues.messages
    assert delay == 900


def test_failures_count_in_a_row(account: Account) -> None:
    """A delivery that waited, or did something, is not one of them."""
    put_schedule("s", native("train"))
    following = DELETED
    for number in range(3 * MAX_FAILURES):
        account.before = denied if number % 3 else lambda name, _: answered(400, THROTTLED) if "List" in name else None
        assert account.deliver(following, f"m{number}")
        ((following, _),) = account.queues.messages
        account.queues.messages.clear()
    assert account.queues.dead == []


def test_deliveries_that_did_not_end_are_not_failures(account: Account) -> None:
    """Lambda may throttle the function, or it may be killed: both count as receives, and neither gives it up."""
    put_schedule("s", native("train"))
    account.before = denied
    assert account.deliver(DELETED, receives=100)
    assert account.queues.dead == []
    account.before = lambda *_: None
    account.work(account.queues.messages.pop()[0])
    assert schedules() == set()


def test_a_clean_up_that_crashes_the_function_is_given_up_by_its_age(account: Account) -> None:
    """With a reason, which SQS would not give it."""
    put_schedule("s", native("train"))

    def kill(name: str, _: int) -> None:
        if name == "ListSchedules":
            raise Killed

    account.before = kill
    assert not account.deliver(DELETED, receives=143, age=72 * 3600 - 60)
    assert account.deliver(DELETED, receives=144, age=72 * 3600)
    (dead,) = account.queues.dead
    reason = dead["MessageAttributes"]["reason"]["StringValue"]
    assert reason == "not done within 72 hours: the function crashed or timed out each time; its log may say why"
    account.before = lambda *_: None
    account.work(dead["MessageBody"])
    assert schedules() == set()


def test_a_message_that_waited_long_for_its_first_delivery_is_worked_on(account: Account) -> None:
    """Such as after an outage; nothing of it has crashed."""
    put_schedule("s", native("train"))
    assert account.deliver(DELETED, age=72 * 3600)
    assert account.queues.dead == []


@pytest.mark.parametrize("room", [0, 43, 2000])
def test_the_largest_body_is_quarantined_with_what_there_is_room_for(account: Account, room: int) -> None:
    """SQS counts the reason, too."""
    body = '{"sweep": "all"}'.ljust(1_048_576 - room)
    assert account.deliver(body)
    (dead,) = account.queues.dead
    size = sum(len(name) + len("String") + len(one["StringValue"]) for name, one in dead["MessageAttributes"].items())
    assert len(dead["MessageBody"]) + size <= 1_048_576
    assert bool(dead["MessageAttributes"]) == (room > 0)


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


def test_a_crash_after_a_message_was_sent_reports_nothing_twice(account: Account, undisturbed: list[str]) -> None:
    """The function sends it again: one of the two goes on."""
    for at in range(1, undisturbed.count("SendMessage") + 1):
        account.reset("train-v2")
        one_of_each()
        account.queues.sent = functools.partial(killing_once, itertools.count(1), at)
        account.work(DELETED)
        assert (schedules(), targets()) == ({"default/neighbour"}, set())
        (report,) = account.reports
        assert len(report["removed"]) == 3


def killing_once(numbers: Iterator[int], at: int) -> None:
    """Kill the function after its message of this number."""
    if next(numbers) == at:
        raise Killed


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_end_is_the_same(account: Account, seed: int) -> None:
    """Kills, throttling, and messages that SQS delivers again in any order: all is removed, and nothing given up."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    mishaps = iter(range(20))  # then it is calm

    def mishap(chances: float) -> bool:
        return chance.random() < chances and next(mishaps, None) is not None

    def before(name: str, _: int) -> AWSResponse | None:
        if mishap(0.05):
            raise Killed
        return answered(400, THROTTLED) if name != "DescribeStackResources" and mishap(0.1) else None

    def sent() -> None:
        if mishap(0.3):
            raise Killed

    one_of_each()
    account.before, account.queues.sent = before, sent
    bodies, receives, numbers = {"m0": DELETED}, Counter[str](), itertools.count(1)
    while bodies:
        message = chance.choice(list(bodies))
        receives[message] += 1
        if account.deliver(bodies[message], message, receives[message]) and not mishap(0.3):
            del bodies[message]
        while account.queues.messages:
            bodies[f"m{next(numbers)}"] = account.queues.messages.pop()[0]
    assert (schedules(), targets()) == ({"default/neighbour"}, set())
    assert account.queues.dead == []
    # A function that is killed right after it put the event puts it again.
    assert {report["summary"] for report in account.reports} == {"pipeline Train was deleted: 3 removed, 0 kept"}


def test_messages_that_come_again_later_do_nothing(account: Account) -> None:
    """SQS did not know that they were handled, or delivers them twice; what was restored since stays."""
    one_of_each()
    account.configure(IGNORE="universal")
    account.work(DELETED)
    put_schedule("native", native("train"))
    calls = len(account.calls)
    handled = list(account.handled)
    for body, message in handled:
        assert account.deliver(body, message, receives=2)
    for body, _ in handled[1:]:
        assert account.deliver(body, "a copy")
    assert len(handled) == 2
    assert set(account.calls[calls:]) <= {"PutItem claim", "GetItem"}
    assert account.queues.messages == []
    assert len(account.reports) == 1


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
