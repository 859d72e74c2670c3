"""The costs in docs/operations.md: sums of counts and prices; a check keeps the tables as the script computes them."""

from __future__ import annotations

import pytest

from tests.tools import costs
from tests.tools.templates import transformed


def test_a_stage_has_the_alarms_and_queues_of_the_template() -> None:
    """A queue with a function is asked all day; a dead-letter queue is not."""
    resources = transformed()["Resources"].values()
    alarms = sum(resource["Type"] == "AWS::CloudWatch::Alarm" for resource in resources)
    mappings = sum(resource["Type"] == "AWS::Lambda::EventSourceMapping" for resource in resources)
    assert costs.stage()[:2] == (alarms, mappings)


def test_an_idle_stage_pays_for_alarms_for_empty_queues_and_for_metrics() -> None:
    """Ten alarms, one queue asked 648,000 times, and three metrics for each of two triggers."""
    assert [item.dollars for item in costs.idle(10, 1, 2)] == pytest.approx([1.0, 0.648 * 0.4, 6 * 0.3])


def test_a_million_starts_cost_more_than_a_million_filtered_events() -> None:
    """The function's time at its memory, three writes for each start, and four for the record of its verdict."""
    filtered, started = (costs.million(started=started, memory=1024) for started in (False, True))
    difference = sum(item.dollars for item in started) - sum(item.dollars for item in filtered)
    assert difference == pytest.approx(1e6 * costs.SECONDS_PER_EVENT * 0.0000133334 + 7 * 0.625)
