"""What users see of batches over hours, days and months."""

from __future__ import annotations

import itertools

from pipeline_triggers.batches.models import Rules
from pipeline_triggers.batches.pauses import resume

from tests.simulation.batch_history import DAY, JOIN, PLAIN, TWO, WAIT, History, Trigger
from tests.simulation.batch_oracle import wrong
from tests.simulation.batch_scenarios import FREE, ONE, OTHER, REGIONS, deadline, deployed, files, part, pause
from tests.simulation.batch_world import START_OF_TIME

HOUR = 3600


def _upload(history: History, trigger: str, *moments: float) -> None:
    for after, upload in files(trigger, *moments):
        history.upload(after, upload)


def _at(history: History, seconds: float) -> None:
    """Let time pass until so many seconds after the beginning."""
    history.sweep_until(START_OF_TIME + seconds)


def _counts(history: History) -> list[int]:
    """Return how many events each execution got, in the order of the starts."""
    return [int(one.parameters["Count"]) for one in history.world.executions]


def test_events_during_a_run_are_in_the_next_one() -> None:
    """A run of an hour, and an event each ten minutes meanwhile."""
    history = deployed(Trigger(PLAIN, (ONE,), Rules(quiet=60, max_open=600)), lasts=HOUR)
    _upload(history, PLAIN, 0, *range(600, 3600, 600))
    _at(history, 3 * HOUR)
    assert _counts(history) == [1, 5]
    assert wrong(history) == []


def test_fifty_runs_of_an_hour_wait_for_each_other() -> None:
    """They start in the order of their events, one at a time, the last one after two days."""
    history = deployed(Trigger(WAIT, (ONE,)), lasts=HOUR)
    _upload(history, WAIT, *(float(second) for second in range(0, 5000, 100)))
    history.sweep_until(START_OF_TIME + 60 * HOUR, pace=300)
    runs = history.world.executions
    assert [one.parameters["Key"] for one in runs] == [upload.key for upload in history.uploads]
    assert all(later.created_at >= earlier.ends_at for earlier, later in itertools.pairwise(runs))
    assert runs[-1].created_at > START_OF_TIME + 49 * HOUR
    assert wrong(history) == []


def test_a_pause_of_ten_days_loses_nothing() -> None:
    """Of 5,000 events those that are not collected start in order when it is resumed; the others are in 3 batches."""
    collected = Trigger(PLAIN, (OTHER,), Rules(quiet=60, max_open=600, max_events=1000))
    history = deployed(Trigger(WAIT, (FREE,)), collected)
    history.world.max_starts = {WAIT: 2500}
    history.by_hand(pause(history, "all", "", 10 * DAY))
    _at(history, 60)
    for trigger in (WAIT, PLAIN):
        _upload(history, trigger, *(60 + number * 9 * DAY / 2500 for number in range(2500)))
    history.sweep_until(START_OF_TIME + 10 * DAY, pace=HOUR)
    assert history.world.executions == []
    history.by_hand(lambda services: resume("all", "", services.records))
    _at(history, 10 * DAY + HOUR)
    one_by_one = [one.parameters["Key"] for one in history.world.executions if one.pipeline == "free"]
    assert one_by_one == [upload.key for upload in history.uploads if upload.trigger == WAIT]
    counts = [one.parameters["Count"] for one in history.world.executions if one.pipeline == "other"]
    assert counts == ["1000", "1000", "500"]
    assert wrong(history) == []


def test_a_batch_that_waits_for_months_is_kept() -> None:
    """One of its pipelines started at once, the other is paused for longer than batches are kept after their end."""
    history = deployed(Trigger(TWO, (FREE, OTHER), Rules(quiet=60, max_open=600)))
    history.by_hand(pause(history, "pipeline", "other", 100 * DAY))
    _upload(history, TWO, 0, 1)
    _at(history, HOUR)
    history.sweep_until(START_OF_TIME + 100 * DAY, pace=DAY)
    history.by_hand(lambda services: resume("pipeline", "other", services.records))
    history.sweep_until(history.world.now + HOUR)
    assert [one.pipeline for one in history.world.executions] == ["free", "other"]
    assert wrong(history) == []


def test_a_backlog_makes_no_false_alarm() -> None:
    """An event that comes while its deadline passes may be half a minute on its way."""
    history = deployed(Trigger(JOIN, (ONE,), REGIONS))
    for moment, upload in (part(JOIN, 0, "amer"), part(JOIN, 630, "emea")):
        history.upload(moment, upload)
    history.documents.days = ("d0",)
    history.world.at(START_OF_TIME + 600, lambda: deadline(history, JOIN))
    _at(history, HOUR)
    assert [notice.outcome for _, notice in history.world.log] == ["STARTED"]
    assert wrong(history) == []
