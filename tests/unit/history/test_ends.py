"""How started runs ended: noted once each, however many events of EventBridge are lost or come twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pipeline_triggers import aws
from pipeline_triggers.history import ends
from pipeline_triggers.history.record import Going, Record
from pipeline_triggers.models import Outcome, Start, Trigger, Verdict, When

from tests.simulation.player import Player

ONE = Trigger(
    "team/one", When("s3", {"bucket": "raw"}), (Start("train", {"Key": "$.detail.object.key"}),), max_starts=999
)
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


@pytest.fixture
def player() -> Iterator[Player]:
    """The handlers with one trigger."""
    made = Player({ONE.id: ONE}, {})
    with made.installed():
        yield made


def noted(player: Player) -> list[dict[str, Any]]:
    """Return the records of ends."""
    return list(player.history.items("end#"))


def test_each_of_200_runs_gets_its_end_though_events_are_lost_and_doubled(player: Player) -> None:
    """A fifth of the status events is lost, a fifth comes twice; a sweep each minute finds the rest."""
    chance = random.Random(15)  # noqa: S311 - the same every time
    statuses = {"Succeeded": "SUCCEEDED", "Failed": "FAILED", "Stopped": "STOPPED"}
    events = [0] * 40 + [2] * 40 + [1] * 120
    chance.shuffle(events)
    player.upload(ONE.id, *(f"in/{number}" for number in range(200)))
    for count in events:
        player.end("train", chance.choice(list(statuses)), count)
    assert len(noted(player)) == 160
    player.minutes(5)
    expected = Counter({one.arn: 1 for one in player.executions})
    assert len(expected) == 200
    assert Counter(item["execution_arn"] for item in noted(player)) == expected
    assert Counter(event["execution_arn"] for event in player.put) == expected
    reported = [verdict for verdict in player.verdicts if verdict["outcome"] in ENDED]
    assert Counter(verdict["execution_arn"] for verdict in reported) == expected
    outcomes = {item["execution_arn"]: item["outcome"] for item in noted(player)}
    assert outcomes == {one.arn: statuses[one.status] for one in player.executions}
    assert list(player.history.items("going")) == []


def test_an_end_says_what_the_start_was_about(player: Player) -> None:
    """The same trigger, event and subject, so that it is found by all of them; but not the parameters."""
    player.upload(ONE.id, "in/a")
    player.end("train", "Failed")
    (started,), (end,) = player.history.items("subject#"), noted(player)
    same = ("trigger", "event_id", "subject", "pipeline", "execution_arn", "result", "event_time")
    assert {name: end[name] for name in same} == {name: started[name] for name in same}
    assert ("parameters" in started, "parameters" in end) == (True, False)


def test_a_sweep_looks_at_a_bounded_number_of_runs(player: Player) -> None:
    """And at each within a few sweeps."""
    player.upload(ONE.id, *(f"in/{number}" for number in range(50)))
    player.minutes(1)
    assert player.looks <= ends.MAX_LOOKS
    player.minutes(2)
    assert player.looks == 50
    assert noted(player) == []


@pytest.mark.parametrize("count", [0, 1, 20, 21, 200])
def test_each_run_has_its_turn(count: int) -> None:
    """Whatever the number of runs: all of them in as many minutes as they need."""
    going = [Going(Record(Verdict(Outcome.STARTED, "t", str(at)), "", "")) for at in range(count)]
    minutes = max(1, -(-count // ends.MAX_LOOKS))
    turns = [ends.turn(going, minute) for minute in range(7, 7 + minutes)]
    assert all(len(one) <= ends.MAX_LOOKS for one in turns)
    assert sorted(one.started.verdict.event_id for turn in turns for one in turn) == sorted(map(str, range(count)))


def test_the_end_of_somebody_else_s_run_is_left_alone(player: Player) -> None:
    """The rule matches each execution of the account; what no trigger started costs one read."""
    player.upload(ONE.id, "in/a")
    (going,) = player.history.items("going")
    player.history.delete_item("history", going)
    player.end("train")
    assert (noted(player), player.put, player.looks) == ([], [], 0)


def test_what_was_noted_and_not_reported_is_reported_later(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function may crash in between; the next one waits until nobody can be at it any more."""
    player.upload(ONE.id, "in/a")

    def crash(_: Verdict) -> None:
        raise ClientError({"Error": {"Code": "Crash", "Message": ""}}, "x")

    with monkeypatch.context() as patch:
        patch.setattr(ends, "report_end", crash)
        with pytest.raises(AssertionError):
            player.end("train", "Failed")
    assert (len(noted(player)), player.put) == (1, [])
    player.minutes(4)
    assert player.put == []
    player.minutes(2)
    assert [event["outcome"] for event in player.put] == ["FAILED"]
    assert list(player.history.items("going")) == []


def test_a_run_whose_pipeline_was_deleted_ends(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    """SageMaker forgets the executions of a deleted pipeline."""
    player.upload(ONE.id, "in/a")

    def gone(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": ""}}, "DescribePipelineExecution")

    monkeypatch.setattr(aws, "sagemaker", lambda: type("Gone", (), {"describe_pipeline_execution": staticmethod(gone)}))
    player.minutes(1)
    (end,) = noted(player)
    assert (end["outcome"], end["reason"]) == ("STOPPED", ends.GONE)
