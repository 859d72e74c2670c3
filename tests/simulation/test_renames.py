"""A trigger that is renamed with ``was`` goes on as itself: its starts, its batches, its pauses."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pipeline_triggers.models import Collect, Deadline, Limits, Start, Trigger, When

from tests.simulation.player import Player

WHEN = When("s3", {"bucket": "raw"})
OLD = Trigger("churn/old", WHEN, (Start("train", {"Key": "{% $object.key %}"}),))
NEW = replace(OLD, id="churn/new", was=("churn/old",))
JOIN = replace(
    OLD,
    start=(Start("train", {"Count": "{% $batch.count %}"}),),
    collect=Collect(
        by="{% 'day' %}",
        part="{% $object.key %}",
        expect=("a", "b"),
        deadline=Deadline(cron="0 2 * * ? *", due="{% 'day' %}"),
    ),
)


@pytest.fixture
def player() -> Iterator[Player]:
    """A deployed trigger on uploads."""
    player = Player({"churn/old": OLD}, {})
    with player.installed():
        yield player


def deploy(player: Player, *triggers: Trigger) -> None:
    """Deploy the functions with other documents."""
    player.triggers = {trigger.id: trigger for trigger in triggers}


def upload(player: Player, key: str) -> dict[str, Any]:
    """Return the event of an upload."""
    event = player._sample(OLD)
    event["detail"]["bucket"]["name"] = "raw"
    event["detail"]["object"] |= {"key": key, "sequencer": f"{int(player.now * 1000):016x}"}
    return event


# What a deploy changes, in each order that CloudFormation might choose.
STEPS = ("functions", "new rule", "old rule")


@pytest.mark.parametrize("order", list(itertools.permutations(STEPS)))
def test_a_rename_under_a_stream_of_uploads_loses_none_and_starts_none_twice(
    player: Player, order: tuple[str, ...]
) -> None:
    """One upload a second, ten between each two steps of the deploy; messages of the old rule come a minute late, too.

    While functions do not know the new name, a message under it waits; where no rule is there, nobody can start it.
    """
    rules, known = ["churn/old"], OLD
    uploads: list[str] = []
    waiting: list[tuple[str, dict[str, Any]]] = []

    def deliver(rule: str, event: dict[str, Any]) -> None:
        if rule == known.id or rule in known.was:
            player.happen(replace(OLD, id=rule), event)
        else:
            waiting.append((rule, event))  # WAITING at its first delivery, and delivered again

    late: list[tuple[str, dict[str, Any]]] = []
    for step in ("", *order):
        if step == "functions":
            known = NEW
            deploy(player, NEW)
        elif step == "new rule":
            rules.append("churn/new")
        elif step == "old rule":
            rules.remove("churn/old")
        for number in range(10):
            player.now += 1
            event = upload(player, f"{len(uploads)}")
            if rules:
                uploads.append(f"{len(uploads)}")
            for rule in rules:
                if number % 3 == 0:
                    late.append((rule, event))
                else:
                    deliver(rule, event)
    for rule, event in (*late, *waiting):
        player.happen(replace(OLD, id=rule), event)
    assert Counter(one["Key"] for one in player.parameters("train")) == dict.fromkeys(uploads, 1)
    assert {str(verdict["outcome"]) for verdict in player.verdicts} <= {"STARTED", "DUPLICATE"}


def test_a_duplicate_under_another_name_is_a_duplicate(player: Player) -> None:
    """Through two renames, whichever name its rule had; without was it starts again."""
    event = upload(player, "a")
    player.happen(OLD, event)
    newest = replace(NEW, id="churn/newest", was=("churn/new", "churn/old"))
    for trigger, name in itertools.product((NEW, newest), ("churn/old", "churn/new", "churn/newest")):
        if name == trigger.id or name in trigger.was:
            deploy(player, trigger)
            player.happen(replace(OLD, id=name), event)
            assert player.outcomes(trigger.id)[-1] == "DUPLICATE"
    assert len(player.executions) == 1
    deploy(player, replace(newest, was=()))
    player.happen(newest, event)
    assert len(player.executions) == 2


def test_a_join_that_is_open_goes_on_under_the_new_name(player: Player) -> None:
    """One part before the rename, one after it: one start, and nothing is missing at the deadline."""
    deploy(player, JOIN)
    player.happen(JOIN, upload(player, "a"))
    renamed = replace(JOIN, id="churn/new", was=("churn/old",))
    deploy(player, renamed)
    player.minutes(90)
    player.happen(renamed, upload(player, "b"))
    player.minutes(2)
    player.deadline("churn/old", "2026-11-03T02:00:00Z")
    assert player.parameters("train") == [{"Count": "2"}]
    assert player.outcomes("churn/new") == ["COLLECTED", "STARTED"]


def test_a_pause_and_what_waits_hold_under_the_new_name(player: Player) -> None:
    """What was paused before the rename stays so, and starts in order after it."""
    player.limits = {"train": Limits(max_running=1)}
    player.pause("trigger", "churn/old")
    player.happen(OLD, upload(player, "a"))
    deploy(player, NEW)
    player.minutes(90)
    player.happen(NEW, upload(player, "b"))
    assert (player.executions, player.outcomes("churn/new")) == ([], ["WAITING"])
    player.resume("trigger", "churn/old")
    player.minutes(1)
    player.end("train")
    player.minutes(1)
    assert player.parameters("train") == [{"Key": "a"}, {"Key": "b"}]
    assert player.outcomes("churn/new") == ["WAITING", "STARTED", "STARTED", "SUCCEEDED"]
