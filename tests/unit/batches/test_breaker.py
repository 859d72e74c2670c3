"""A trigger whose runs fail in a row is paused, once, and goes on when it is resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from pipeline_triggers.models import Start, Trigger, When

from tests.simulation.player import Player

ONE = Trigger("team/one", When("s3", {"bucket": "raw"}), (Start("train", {"Key": "$.detail.object.key"}),), breaker=3)
OTHER = replace(ONE, id="team/other", start=(Start("other", {"Key": "x"}),), breaker=None)


@pytest.fixture
def player() -> Iterator[Player]:
    """The handlers with a trigger that has a breaker, and one that has none."""
    made = Player({ONE.id: ONE, OTHER.id: OTHER}, {})
    with made.installed():
        yield made


def run(player: Player, *statuses: str, trigger: Trigger = ONE) -> None:
    """Start and end runs, one after another."""
    for number, status in enumerate(statuses):
        player.now += 60
        player.upload(trigger.id, f"in/{player.now}/{number}")
        player.end(trigger.start[0].pipeline, status)


def paused(player: Player) -> list[str]:
    """Return the outcomes of what was reported about pauses."""
    return [str(event["text"]) for event in player.put if event["outcome"] == "PAUSED"]


def test_failures_in_a_row_pause_the_trigger_and_its_events_wait(player: Player) -> None:
    """The topic hears it with the command; other triggers go on."""
    run(player, "Failed", "Failed", "Failed")
    (text,) = paused(player)
    assert text.startswith("team/one PAUSED: paused by its breaker after 3 failed runs in a row, the last one arn:aws:")
    assert text.endswith("; its events wait; after a fix: triggers resume team/one --stack stack")
    player.now += 31  # handlers remember the pauses for half a minute
    player.upload(ONE.id, "in/waits")
    assert player.outcomes(ONE.id)[-1] == "WAITING"
    run(player, "Failed", trigger=OTHER)
    assert len(player.executions) == 4


def test_a_run_that_succeeds_in_between_begins_the_count_anew(player: Player) -> None:
    """Two, one that succeeded, two."""
    run(player, "Failed", "Failed", "Succeeded", "Failed", "Failed")
    assert paused(player) == []
    run(player, "Failed")
    assert len(paused(player)) == 1


def test_a_resumed_trigger_may_fail_as_often_again(player: Player) -> None:
    """What failed before it was paused does not count any more."""
    run(player, "Failed", "Failed", "Failed")
    player.resume("trigger", ONE.id)
    player.minutes(2)
    run(player, "Failed", "Failed")
    assert len(paused(player)) == 1
    run(player, "Failed")
    assert len(paused(player)) == 2


def test_a_renamed_trigger_is_paused_under_the_name_that_tables_know(player: Player) -> None:
    """So that the pause holds what comes next."""
    renamed = replace(ONE, id="team/renamed", was=(ONE.id,))
    player.triggers = {renamed.id: renamed}
    run(player, "Failed", "Failed", "Failed", trigger=renamed)
    player.now += 31
    player.upload(renamed.id, "in/waits")
    assert player.outcomes(renamed.id)[-1] == "WAITING"


def test_a_trigger_without_a_breaker_is_never_paused(player: Player) -> None:
    """However often its runs fail."""
    run(player, *["Failed"] * 5, trigger=OTHER)
    assert paused(player) == []
