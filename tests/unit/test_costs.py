"""The costs in docs/operations.md: sums of counts and prices; a check keeps the tables as the script computes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pipeline_triggers import aws
from pipeline_triggers.batches import messages

from tests.tools import costs
from tests.tools.templates import transformed
from tests.unit.on_batch import OnBatch


def test_a_stage_has_the_alarms_and_queues_of_the_template() -> None:
    """A queue with a function is asked all day; a dead-letter queue is not."""
    resources = transformed()["Resources"].values()
    alarms = sum(resource["Type"] == "AWS::CloudWatch::Alarm" for resource in resources)
    mappings = sum(resource["Type"] == "AWS::Lambda::EventSourceMapping" for resource in resources)
    assert costs.stage()[:2] == (alarms, mappings)


def test_an_idle_stage_pays_for_alarms_for_empty_queues_for_sweeps_and_for_metrics() -> None:
    """Ten alarms, a dashboard, one queue asked 648,000 times, 43,200 sweeps, three metrics for each of two teams."""
    dollars = [item.dollars for item in costs.idle(10, 1, 2)]
    sweeps = [0.1296 * 0.4, 0.0432 * 0.2, 4320 * 0.0000133334, 0.216 * 0.125, 0.0432]
    assert dollars == pytest.approx([1.0, 3.0, 0.648 * 0.4, *sweeps, 6 * 0.3, 0])


def test_a_sweep_reads_as_often_as_the_costs_say(deployed: OnBatch) -> None:
    """With nothing that waits, and one more time for the runs that go on; the memory is that of on_batch."""
    calls: list[str] = []
    aws.dynamodb().meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    messages.process({"sweep": datetime.now(UTC).isoformat()}, deployed.services())
    assert calls == ["Query"] * (costs.READS_PER_SWEEP - 1)
    assert transformed()["Resources"]["OnBatchFunction"]["Properties"]["MemorySize"] == 1024 * costs.SWEEP_MEMORY


def test_a_million_starts_cost_more_than_a_million_filtered_events() -> None:
    """The time at its memory, and writes for each start, its record, which is kept for three months, and its end."""
    filtered, started = (costs.million(started=started, memory=1024) for started in (False, True))
    difference = sum(item.dollars for item in started) - sum(item.dollars for item in filtered)
    ends = 6 * 0.625 + 1.00 + 3 * 0.40 + 0.20
    assert difference == pytest.approx(1e6 * costs.SECONDS_PER_EVENT * 0.0000133334 + 7 * 0.625 + 12 * 0.25 + ends)
