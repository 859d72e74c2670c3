"""Faults at the calls of batches, and random histories of them: a few of those that ``make faults`` tries."""

from __future__ import annotations

import pytest

from tests.simulation.batch_histories import played
from tests.simulation.batch_oracle import wrong
from tests.simulation.batch_scenarios import HARDEST, MODES, SCENARIOS, one_by_one
from tests.simulation.batch_scenarios import played as played_scenario


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_a_batch_needs_happens_once_in_each_mode(name: str) -> None:
    """SageMaker may forget tokens and list executions late, and each event of an execution's end may be lost."""
    for mode in MODES:
        assert played_scenario(SCENARIOS[name], mode).problems == []


@pytest.mark.parametrize("name", ["a join, its deadline and a correction", "a limit", "refused starts"])
def test_a_kill_after_any_call_loses_nothing_and_repeats_nothing(name: str) -> None:
    """Whatever another function finds half done, it ends as if nothing had happened."""
    for history in one_by_one(SCENARIOS[name], HARDEST, most=1, faults=("killed after",)):
        assert history.problems == [], history.world.planned


@pytest.mark.parametrize("seed", range(4))
def test_a_random_history_holds(seed: int) -> None:
    """Functions at the same time, clocks that differ, kills, lost answers, late listings, deploys, pauses."""
    assert wrong(played(seed)) == []
