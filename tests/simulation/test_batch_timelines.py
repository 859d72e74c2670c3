"""What users see of batches over hours, days and months, through the stack's own functions."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from pipeline_triggers.batches.pauses import resume
from pipeline_triggers.models import Collect, Deadline, Trigger

from tests.simulation.batch_burst import paused_for_ten_days
from tests.simulation.batch_history import BY, DAY, JOIN, PART, PLAIN, TWO, WAIT, History, Upload, trigger
from tests.simulation.batch_oracle import wrong
from tests.simulation.batch_scenarios import AFTER, LIMITS, REGIONS, begun, files, part, pause
from tests.simulation.batch_world import START_OF_TIME

HOUR = 3600
BERLIN = ZoneInfo("Europe/Berlin")
SOON = Collect(BY, quiet=60, max_open=600)

Begin = Callable[..., History]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begin a history, and end it with the test."""
    with ExitStack() as stack:

        def begin(*triggers: Trigger, lasts: float = 200.0) -> History:
            history = begun(*triggers, lasts=lasts)
            stack.enter_context(history.world.installed())
            return history

        yield begin


def _upload(history: History, name: str, *moments: float) -> None:
    for after, upload in files(name, *moments):
        history.upload(after, upload)


def _at(history: History, seconds: float, pace: float = 60.0) -> None:
    """Let time pass until so many seconds after the beginning."""
    history.sweep_until(START_OF_TIME + seconds, pace)


def _counts(history: History, pipeline: str) -> list[int]:
    """Return how many events each execution of a pipeline got, in the order of the starts."""
    return [int(one.parameters["Count"]) for one in history.world.executions if one.pipeline == pipeline]


def test_events_during_a_run_are_in_the_next_one(begin: Begin) -> None:
    """A run of an hour, and an event each ten minutes meanwhile."""
    history = begin(trigger(PLAIN, "one", collect=SOON), lasts=HOUR)
    _upload(history, PLAIN, 0, *range(600, 3600, 600))
    _at(history, 3 * HOUR)
    assert _counts(history, "one") == [1, 5]
    assert wrong(history) == []


def test_fifty_runs_of_an_hour_wait_for_each_other(begin: Begin) -> None:
    """They start in the order of their events, one at a time, the last one after two days."""
    history = begin(trigger(WAIT, "one"), lasts=HOUR)
    _upload(history, WAIT, *range(0, 7500, 150))  # clocks differ by up to two minutes
    _at(history, 60 * HOUR, pace=300)
    runs = history.world.executions
    assert [one.parameters["Key"] for one in runs] == [upload.key for upload in history.uploads]
    assert all(later.created_at >= earlier.ends_at for earlier, later in itertools.pairwise(runs))
    assert runs[-1].created_at > START_OF_TIME + 49 * HOUR
    assert wrong(history) == []


def test_a_pause_of_ten_days_loses_nothing() -> None:
    """What is not collected starts in order when it is resumed, the rest as batches; `make burst` has 5,000 events."""
    history = paused_for_ten_days(500)
    assert history.problems == []
    assert _counts(history, "other") == [100, 100, 50]


def test_a_batch_that_waits_for_months_is_kept(begin: Begin) -> None:
    """One of its pipelines started at once, the other is paused for longer than batches are kept after their end."""
    history = begin(trigger(TWO, "free", "other", collect=SOON))
    history.by_hand(pause(history, "pipeline", "other", 100 * DAY))
    _upload(history, TWO, 0, 1)
    _at(history, HOUR)
    _at(history, 100 * DAY, pace=DAY)
    history.by_hand(lambda services: resume("pipeline", "other", services.records))
    _at(history, 100 * DAY + HOUR)
    assert [one.pipeline for one in history.world.executions] == ["free", "other"]
    assert wrong(history) == []


def test_a_join_that_stays_incomplete_ends_after_90_days(begin: Begin) -> None:
    """After its last event, not its first; what is missing was reported at its deadline. A later part opens another."""
    history = begin(trigger(JOIN, "free", collect=replace(REGIONS, deadline=AFTER)))
    for moment, upload in (part(JOIN, 0, "amer"), part(JOIN, 30 * DAY, "amer", sequencer="02")):
        history.upload(moment, upload)
    _at(history, HOUR)
    _at(history, 119 * DAY, pace=DAY)
    assert [notice.outcome for _, notice in history.world.log] == ["MISSED"]
    _at(history, 122 * DAY, pace=DAY)
    ((_, missed), (_, dropped)) = history.world.log
    assert (dropped.outcome, dropped.batch) == ("FILTERED", missed.batch)
    assert dropped.reason == "dropped: incomplete 90 days after its last event or deadline"
    history.upload(122 * DAY, part(JOIN, 0, "emea")[1])
    _at(history, 122 * DAY + HOUR)
    assert history.world.verdicts[history.uploads[-1].id][-1].outcome == "COLLECTED"
    assert history.world.executions == []


def test_a_backlog_makes_no_false_alarm(begin: Begin) -> None:
    """An event that comes while its deadline passes may be half a minute on its way."""
    due_today = replace(REGIONS, deadline=Deadline(cron="0 8 * * ? *", due="d0"))
    history = begin(trigger(JOIN, "one", collect=due_today))
    history.days = ("d0",)
    history.world.clocks = 0
    for moment, upload in (part(JOIN, 0, "amer"), part(JOIN, 630, "emea")):
        history.upload(moment, upload)
    history.world.at(START_OF_TIME + 600, partial(history.pass_deadline, JOIN))
    _at(history, HOUR)
    assert [notice.outcome for _, notice in history.world.log] == ["STARTED"]
    assert wrong(history) == []


BUSINESS_DAYS = Deadline(cron="0 8 ? * MON-FRI *", timezone="Europe/Berlin", due="{% $scheduled.days %}")


@pytest.mark.parametrize("first", [date(2026, 10, 12), date(2027, 3, 15)])
@pytest.mark.parametrize("seed", range(3))
def test_each_incomplete_day_is_missed_once(begin: Begin, first: date, seed: int) -> None:
    """Parts in any order, some twice, three weeks around a clock change; on a Monday Friday to Sunday are due."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    history = begin(trigger(JOIN, "free", collect=replace(REGIONS, deadline=BUSINESS_DAYS)))
    world = history.world
    world.run(_at_local(first, 6))
    days = [first + timedelta(number) for number in range(21)]
    incomplete = {day: chance.choice(["", "amer", "emea"]) for day in chance.sample(days, 6)}
    for day in days:
        there = {"amer", "emea"} if day not in incomplete else {incomplete[day]} - {""}
        for region in chance.sample([*there, *there], len(there) + chance.randrange(len(there) + 1)):
            moment = _at_local(day, 18) + chance.uniform(0, 8 * HOUR) - START_OF_TIME
            history.upload(moment, Upload(JOIN, f"{day}/{region}/part", "01"))
        if {upload.part for upload in history.uploads if upload.by == str(day)} != {"amer", "emea"}:
            incomplete.setdefault(day, "")
    deadlines: dict[date, float] = {}
    for morning in (day + timedelta(1) for day in days):
        if morning.weekday() < 5:
            back = 3 if morning.weekday() == 0 else 1
            deadlines |= {morning - timedelta(number): _at_local(morning, 8) for number in range(1, back + 1)}
            world.at(_at_local(morning, 8), partial(history.pass_deadline, JOIN, chance.choice([1, 2])))
    history.days = ()
    history.sweep_until(_at_local(days[-1] + timedelta(3), 0), pace=6 * HOUR)
    missed = {notice.by: at for at, notice in world.log if notice.outcome == "MISSED"}
    assert Counter(notice.by for _, notice in world.log if notice.outcome == "MISSED") == Counter(map(str, incomplete))
    assert all(0 < missed[str(day)] - deadlines[day] <= 180 for day in incomplete)
    complete = {str(day) for day in days} - set(map(str, incomplete))
    assert sorted(one.parameters["By"] for one in world.executions) == sorted(complete)
    assert wrong(history) == []


def _at_local(day: date, hour: int) -> float:
    return datetime.combine(day, time(hour), BERLIN).astimezone(UTC).timestamp()


OPEN = trigger(PLAIN, "free", collect=Collect(BY, quiet=300))
JOINING = trigger(JOIN, "free", collect=REGIONS)


@pytest.mark.parametrize(
    ("before", "after", "runs"),
    [
        (OPEN, replace(OPEN, collect=Collect(PART, quiet=300)), [("free", "1"), ("free", "1")]),
        (JOINING, trigger(JOIN, "free", collect=replace(REGIONS, expect=("amer", "emea", "apac"))), [("free", "2")]),
        (JOINING, trigger(JOIN, "other", collect=REGIONS), [("other", "2")]),
    ],
    ids=["by", "expect", "pipeline"],
)
def test_an_open_batch_closes_by_the_rules_of_its_opening(
    begin: Begin, before: Trigger, after: Trigger, runs: list[tuple[str, str]]
) -> None:
    """A deploy changes the batches that open later, and what a batch starts that is not due yet."""
    history = begin(before)
    for moment, region in ((0, "amer"), (200, "emea")):
        history.upload(moment, Upload(before.id, f"d0/{region}/file", "01"))
    _at(history, 100)
    history.deploy({after.id: after}, LIMITS)
    _at(history, 2 * HOUR)
    assert [(one.pipeline, one.parameters["Count"]) for one in history.world.executions] == runs
    assert wrong(history) == []


def test_a_batch_in_line_for_a_removed_pipeline_is_rejected(begin: Begin) -> None:
    """Its pipelines are fixed since it became due; after an hour without them its dead letter says so."""
    history = begin(trigger(JOIN, "one", collect=REGIONS), lasts=DAY)
    history.world.start("one", "", {}, ours=False)
    for region in ("amer", "emea"):
        history.upload(0, Upload(JOIN, f"d0/{region}/file", "01"))
    _at(history, 100)
    history.deploy({JOIN: JOINING}, LIMITS)
    _at(history, HOUR - 60)
    assert history.world.log == []
    _at(history, 2 * HOUR)
    ((_, rejected),) = history.world.log
    assert (rejected.outcome, rejected.pipeline) == ("REJECTED", "one")
    assert rejected.reason == "trigger or pipeline removed: no deployed document starts one by t/join"
    assert wrong(history) == []


@pytest.mark.parametrize("left", [(), (trigger("t/renamed", "free", collect=REGIONS),)], ids=["removed", "renamed"])
def test_a_batch_without_its_trigger_is_rejected(begin: Begin, left: tuple[Trigger, ...]) -> None:
    """After an hour, its event with it; an event on its way to it after a retry. Both have a dead letter."""
    history = begin(JOINING)
    for moment, region in ((0, "amer"), (200, "emea")):
        history.upload(moment, Upload(JOIN, f"d0/{region}/file", "01"))
    _at(history, 100)
    history.deploy({one.id: one for one in left}, LIMITS)
    _at(history, 3 * HOUR)
    ((_, rejected),) = history.world.log
    assert rejected.outcome == "REJECTED"
    assert "removed" in rejected.reason
    assert [history.world.verdicts[upload.id][-1].outcome for upload in history.uploads] == ["COLLECTED", "REJECTED"]
    assert len(history.world.letters) == 2
    assert wrong(history) == []
