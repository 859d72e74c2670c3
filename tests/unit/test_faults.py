"""Faults at any call to AWS: an event starts once, and ends with its verdict. ``make faults`` tries many more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pipeline_triggers import state

from tests import faults
from tests.faults import FAULTS, LONGEST_LAG, MODES, SCENARIOS, Scenario, World, played, wrong
from tests.handler import VISIBILITY

ONE = SCENARIOS["one pipeline"]


@pytest.fixture(scope="module")
def table() -> Iterator[Any]:
    """The state's table."""
    with faults.embedded() as table:
        yield table


def test_a_start_takes_four_calls_more_than_none(table: Any) -> None:
    """And one to DescribePipeline now and then."""
    undisturbed = played(World(table, honours_tokens=True, lag=0), ONE)
    assert undisturbed.calls == [
        "PutItem",
        "DescribePipeline",
        "UpdateItem",
        "StartPipelineExecution",
        "UpdateItem",
    ]


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
@pytest.mark.parametrize(("honours_tokens", "lag"), [MODES[0], MODES[-1]])
def test_a_fault_at_any_call_loses_nothing_and_repeats_nothing(
    table: Any, scenario: Scenario, honours_tokens: bool, lag: float
) -> None:
    """Whether SageMaker remembers tokens or not, and lists a start at once or late."""
    worlds = list(faults.one_by_one(table, scenario, honours_tokens, lag))
    assert [(world.faults, wrong(world, scenario)) for world in worlds if wrong(world, scenario)] == []
    tried = {happened for world in worlds for happened in world.happened}
    assert tried == {(call, fault) for call in worlds[0].calls for fault in FAULTS}


@pytest.mark.parametrize("seed", range(5))
def test_several_faults_lose_nothing_and_repeat_nothing(table: Any, seed: int) -> None:
    """Some of them happen to what mends the others."""
    for scenario in SCENARIOS.values():
        world = faults.at_random(table, scenario, honours_tokens=False, lag=LONGEST_LAG, seed=seed)
        assert wrong(world, scenario) is None, world.faults


@pytest.mark.parametrize("honours_tokens", [True, False], ids=["tokens honoured", "tokens forgotten"])
def test_a_second_delivery_in_the_middle_of_the_first_waits(table: Any, honours_tokens: bool) -> None:
    """EventBridge may deliver an event twice, and two functions may have it at the same time."""
    for at in range(1, 6):
        world = World(table, honours_tokens, LONGEST_LAG)

        def deliver_twin(number: int, world: World = world, at: int = at) -> None:
            if number == at:
                world.deliver(ONE.trigger.id, 1, "twin")

        world.after_call = deliver_twin
        with world.installed(ONE.trigger):
            faults.until_done(world, ONE)
            world.now += VISIBILITY
            assert world.deliver(ONE.trigger.id, 2, "twin")
        assert wrong(world, ONE) is None
        assert world.final_verdicts()[-1]["outcome"] == "DUPLICATE"


def test_a_message_that_is_redriven_after_its_longest_life_starts_nothing(table: Any) -> None:
    """Four days in its queue, fourteen in the dead-letter queue, and sent again."""
    world = World(table, honours_tokens=False, lag=0)
    with world.installed(ONE.trigger):
        assert world.deliver(ONE.trigger.id, 1)
        world.now += 18 * 24 * 3600
        assert world.deliver(ONE.trigger.id, 1, "redriven")
    assert len(world.executions) == 1
    assert world.final_verdicts()[-1]["outcome"] == "DUPLICATE"
    assert world.now - 1_800_000_000 < state.KEPT


def test_what_sagemaker_lists_too_late_is_what_the_token_is_for(table: Any) -> None:
    """The bound of the search: with tokens forgotten AND a listing later than the lease, an event starts twice."""
    killed, lag = {4: "killed after"}, LONGEST_LAG + 10 * VISIBILITY
    assert wrong(played(World(table, honours_tokens=True, lag=lag, faults=killed), ONE), ONE) is None
    assert wrong(played(World(table, honours_tokens=False, lag=lag, faults=killed), ONE), ONE) == "started twice"
