"""A trigger in words, as ``triggers list`` shows it."""

from __future__ import annotations

import pytest
from pipeline_triggers.models import Collect, Deadline, Limits, Part, Start, Trigger, When
from pipeline_triggers.operations import wording

UPLOAD = When("s3", {"bucket": "raw", "key": "sales/*"})
APPROVED = When("model_package", {"approval": ["Approved", "Rejected"]})
BY = "{% $object.key %}"


def trigger(collect: Collect | None = None, when_busy: str = "wait") -> Trigger:
    """Return a trigger of one source."""
    return Trigger("sales/one", UPLOAD, (Start("sales-a", {}),), collect=collect, when_busy=when_busy)


@pytest.mark.parametrize(
    ("collect", "words"),
    [
        (None, ""),
        (
            Collect(),
            "one batch; closes 5 minutes after its last event, 1 hour after its first, or at 10000 events",
        ),
        (
            Collect(by=BY, quiet=600, max_open=86400, max_events=5, only_if="{% $batch.count > 1 %}"),
            f"one batch per {BY}; closes 10 minutes after its last event, 1 day after its first, or at 5 events; "
            "starts only if {% $batch.count > 1 %}",
        ),
        (
            Collect(part="$.x", expect=("emea", "apac"), deadline=Deadline(after=7200)),
            "one batch; closes when emea, apac are there; reported incomplete 2 hours after its first event",
        ),
        (
            Collect(
                by=BY,
                part="$.x",
                expect=24,
                deadline=Deadline(cron="0 8 * * ? *", timezone="Europe/Berlin", due="x", start_incomplete=True),
            ),
            f"one batch per {BY}; closes when 24 parts are there; "
            "started incomplete at cron 0 8 * * ? * in Europe/Berlin",
        ),
    ],
)
def test_a_collect_says_when_its_batch_closes(collect: Collect | None, words: str) -> None:
    """A join closes by its parts, any other batch by time or size."""
    assert wording.batch_and_limits(trigger(collect), {}) == words


def test_limits_are_those_of_the_pipelines_that_a_trigger_starts() -> None:
    """A single event waits at them, or is skipped; a batch waits in any case."""
    limits = {"sales-a": Limits(max_running=1, min_interval=21600, max_per_day=10), "other": Limits(max_running=2)}
    words = "sales-a: 1 at a time, 6 hours apart, 10 in 24 hours"
    assert wording.batch_and_limits(trigger(), limits) == f"{words}; waits at a limit"
    assert wording.batch_and_limits(trigger(when_busy="skip"), limits) == f"{words}; skipped at a limit"
    assert wording.batch_and_limits(trigger(Collect()), limits).endswith(f"events; {words}")


def test_several_sources_are_named_by_their_parts() -> None:
    """Each has a ``by`` of its own, or all have the same."""
    parts = {"data": Part(UPLOAD, by=BY), "approval": Part(APPROVED, by="$.id")}
    deadline = Deadline(after=60)
    both = Trigger("s/t", When("all", {}), (Start("p", {}),), collect=Collect(deadline=deadline), all_of=parts)
    assert wording.when(both) == "data: s3 bucket=raw key=sales/*; approval: model_package approval=Approved,Rejected"
    words = f"one batch per {BY} or $.id; closes when data, approval are there"
    assert wording.batch_and_limits(both, {}) == f"{words}; reported incomplete 1 minute after its first event"
