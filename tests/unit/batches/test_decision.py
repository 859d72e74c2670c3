"""Whose turn it is at a pipeline, decided from what was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pipeline_triggers.batches.decision import (
    DAY,
    LEFT_ALONE,
    MOST_TRIES,
    UNANSWERED,
    Do,
    Situation,
    ended_before,
    next_step,
    token,
)
from pipeline_triggers.batches.models import Execution, Listing, Pause, Phase, Pipeline, Target, Ticket, Turn
from pipeline_triggers.models import Limits

NOW = 1_780_000_000
TICKET = Ticket(Target("train"), "t/a", "b1", ready_ms=1000)
OTHER = replace(TICKET, trigger="t/b", batch="b2", ready_ms=2000)
BEGUN = Turn(replace(TICKET, batch="b0"), Phase.BEGUN, NOW, "n")
RUNNING = replace(BEGUN, phase=Phase.RUNNING, execution="arn:0")


def _situation(**given: Any) -> Situation:
    known: dict[str, Any] = {
        "pipeline": Pipeline("train", 0, {}, 0),
        "turns": (),
        "heads": (TICKET,),
        "pauses": (),
        "limits": Limits(),
        "names": lambda _: True,
        "now": float(NOW),
    }
    return Situation(**known | given)


def _listing(*executions: Execution) -> Listing:
    return Listing(0, executions)


def _going(arn: str = "arn:1", token: str = "", status: str = "Executing") -> Execution:
    return Execution(arn, status, NOW - 100, token)


def test_the_oldest_head_begins() -> None:
    """Whatever the order in which the heads were read."""
    step = next_step(_situation(heads=(OTHER, TICKET)))
    assert (step.do, step.ticket) == (Do.BEGIN, TICKET)


def test_a_forced_ticket_comes_first() -> None:
    """Though another one is older."""
    forced = replace(OTHER, forced=True)
    assert next_step(_situation(heads=(TICKET, forced))).ticket == forced


@pytest.mark.parametrize(
    ("turns", "executions"),
    [
        ((replace(BEGUN, ticket=OTHER),), ()),
        ((RUNNING,), ()),
        ((), (_going(),)),
        ((), (_going(status="Stopping"),)),
    ],
)
def test_a_start_on_its_way_and_any_execution_count(turns: tuple[Turn, ...], executions: tuple[Execution, ...]) -> None:
    """Ours before it is listed, others as far as they are listed."""
    limits = Limits(max_running=1)
    step = next_step(_situation(turns=turns, listing=_listing(*executions), limits=limits))
    assert step.do is Do.NOTHING
    assert "max_running is 1" in step.reason
    limits = Limits(max_running=2)
    assert next_step(_situation(turns=turns, listing=_listing(*executions), limits=limits)).do is Do.BEGIN


def test_an_execution_of_ours_counts_once() -> None:
    """Listed or not, with its answer or without."""
    listing = _listing(_going("arn:0"), _going("arn:2", token(OTHER)))
    turns = (RUNNING, replace(BEGUN, ticket=OTHER))
    assert next_step(_situation(turns=turns, listing=listing, limits=Limits(max_running=3))).do is Do.BEGIN


def test_an_unanswered_start_hides_no_execution_of_others() -> None:
    """It has no execution yet, and they have no token of ours."""
    listing = _listing(_going("arn:7"), _going("arn:8"))
    turns = (replace(BEGUN, ticket=OTHER),)
    assert next_step(_situation(turns=turns, listing=listing, limits=Limits(max_running=3))).do is Do.NOTHING


@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Stopped", "CompletedWithFailures", "SomethingNew"])
def test_an_execution_that_ended_does_not_count(status: str) -> None:
    """Ours is forgotten, others are left aside."""
    listing = _listing(_going("arn:0", status=status), _going("arn:1", status=status))
    limits = Limits(max_running=1)
    assert next_step(_situation(turns=(RUNNING,), listing=listing, limits=limits)).do is Do.FORGET
    assert next_step(_situation(listing=listing, limits=limits)).do is Do.BEGIN


def test_a_start_without_an_answer_is_found_by_its_identity() -> None:
    """Once the function that made it has ended."""
    listing = _listing(_going("arn:0", token(BEGUN.ticket)))
    step = next_step(_situation(turns=(BEGUN,), listing=listing, now=NOW + LEFT_ALONE + 1))
    assert (step.do, step.execution) == (Do.FINISH, "arn:0")
    assert next_step(_situation(turns=(BEGUN,), listing=listing, now=NOW + LEFT_ALONE)).do is Do.NOTHING


def test_a_start_that_is_not_listed_in_time_was_not_made() -> None:
    """The ticket goes back, but for the last try."""
    late = {"listing": _listing(), "now": NOW + UNANSWERED + 1}
    assert next_step(_situation(turns=(BEGUN,), **late)).do is Do.UNDO
    last = replace(BEGUN, ticket=replace(BEGUN.ticket, tries=MOST_TRIES - 1))
    assert next_step(_situation(turns=(last,), **late)).do is Do.GIVE_UP
    assert next_step(_situation(turns=(BEGUN,), listing=_listing(), now=NOW + UNANSWERED)).do is Do.NOTHING


def test_a_trigger_starts_one_at_a_time() -> None:
    """So a start that crashed is not overtaken; another trigger's may begin."""
    assert next_step(_situation(turns=(BEGUN,))).do is Do.NOTHING
    assert next_step(_situation(turns=(BEGUN,), heads=(TICKET, OTHER))).ticket == OTHER


@pytest.mark.parametrize(("kind", "name"), [("all", ""), ("trigger", "t/a"), ("pipeline", "train")])
def test_a_pause_holds_what_it_concerns(kind: str, name: str) -> None:
    """Until its time, or until it is lifted; a ticket that does not wait for limits waits for it, too."""
    pause = Pause(kind, name, NOW + 10, "somebody", "", NOW - 10)
    skipping = replace(TICKET, skip=True)
    assert next_step(_situation(heads=(skipping,), pauses=(pause,))).do is Do.NOTHING
    assert next_step(_situation(pauses=(replace(pause, resumed=True),))).do is Do.BEGIN
    assert next_step(_situation(pauses=(pause,), now=NOW + 10)).do is Do.BEGIN


def test_a_paused_or_capped_trigger_stops_no_other() -> None:
    """The next head is looked at."""
    heads = (TICKET, OTHER)
    pause = Pause("trigger", "t/a", None, "somebody", "", NOW)
    assert next_step(_situation(heads=heads, pauses=(pause,))).ticket == OTHER
    assert next_step(_situation(heads=heads, aside={"t/a": "reached max_starts"})).ticket == OTHER


def test_the_interval_counts_from_the_latest_start() -> None:
    """To the second; a forced ticket does not wait for it."""
    limits = Limits(min_interval=600)
    pipeline = Pipeline("train", 0, {"x": NOW - 599, "y": NOW - 5000}, 0)
    assert next_step(_situation(pipeline=pipeline, limits=limits)).reason.startswith("min_interval")
    assert next_step(_situation(pipeline=pipeline, limits=limits, now=NOW + 1.0)).do is Do.BEGIN
    forced = replace(TICKET, forced=True)
    assert next_step(_situation(pipeline=pipeline, limits=limits, heads=(forced,))).do is Do.BEGIN


def test_the_starts_of_any_day_are_counted() -> None:
    """Not those of a calendar day."""
    limits = Limits(max_per_day=2)
    pipeline = Pipeline("train", 0, {"x": NOW - DAY + 1, "y": NOW - 5}, 0)
    assert next_step(_situation(pipeline=pipeline, limits=limits)).reason.startswith("max_per_day")
    assert next_step(_situation(pipeline=pipeline, limits=limits, now=NOW + 1.0)).do is Do.BEGIN


def test_what_does_not_wait_is_skipped_with_what_is_in_the_way() -> None:
    """And only at a limit."""
    skipping = replace(TICKET, skip=True)
    step = next_step(_situation(heads=(skipping,), turns=(RUNNING,), listing=_listing(), limits=Limits(max_running=1)))
    assert step.do is Do.SKIP
    assert "arn:0" in step.reason
    assert next_step(_situation(heads=(skipping,))).do is Do.BEGIN


def test_a_dry_run_waits_for_nothing() -> None:
    """Neither for a limit nor for a pause."""
    pause = Pause("all", "", None, "somebody", "", NOW)
    dry = replace(TICKET, dry_run=True)
    assert next_step(_situation(heads=(dry,), pauses=(pause,), limits=Limits(max_per_day=0))).do is Do.DRY_RUN


def test_unknown_triggers_are_rejected_after_an_hour() -> None:
    """Not at first sight, and not when a document names it again."""
    gone = replace(TICKET, gone_since=NOW)
    names = {"names": lambda _: False}
    assert next_step(_situation(**names)).do is Do.MISS
    assert next_step(_situation(heads=(gone,), **names, now=NOW + 3599)).do is Do.NOTHING
    assert next_step(_situation(heads=(gone,), **names, now=NOW + 3600)).do is Do.REJECT
    assert next_step(_situation(heads=(gone,))).do is Do.FIND


def test_an_end_is_carried_out_by_another_function_only_when_it_was_left() -> None:
    """Before, the one that noted it is at it."""
    ending = replace(BEGUN, phase=Phase.ENDING)
    assert next_step(_situation(turns=(ending,), heads=(), now=NOW + LEFT_ALONE)).do is Do.NOTHING
    assert next_step(_situation(turns=(ending,), heads=(), now=NOW + LEFT_ALONE + 1)).do is Do.CONCLUDE


def test_nothing_that_may_be_going_is_left_out_of_the_next_listing() -> None:
    """Neither what is listed, nor what is not listed yet, nor a start without an answer."""
    old = Execution("arn:9", "Executing", NOW - 90_000)
    situation = _situation()
    assert ended_before(situation, _listing(old, _going())) < NOW - 90_000
    assert ended_before(situation, _listing()) < NOW - 480
    turns = (replace(BEGUN, tried=NOW - 5000),)
    assert ended_before(_situation(turns=turns), _listing()) < NOW - 5000
