"""What an event would join, and what it would wait for, as ``triggers explain`` says it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from pipeline_triggers.batches.models import Pause, Phase, Rules, Target, Turn
from pipeline_triggers.batches.slots import make_due, sealed
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.events.envelope import Arrival
from pipeline_triggers.models import Collect, Deadline, Limits, Occurrence, Start, Trigger, When
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.batches import Batches
from pipeline_triggers.operations.explain import judge
from pipeline_triggers.operations.joining import joins

from tests.unit.on_batch import OnBatch

pytestmark = pytest.mark.usefixtures("deployed")

WHEN = When("s3", {"bucket": "acme-raw-dev", "key": "sales/*/*/_SUCCESS"})
REPORT = Trigger(
    "team/days",
    WHEN,
    (Start("train", {}),),
    collect=Collect(
        by="{% $split($object.key, '/')[1] %}",
        part="{% $split($object.key, '/')[2] %}",
        expect=("amer", "emea"),
        deadline=Deadline(after=7200),
    ),
)
PLAIN = replace(REPORT, collect=Collect())


def uploaded(key: str = "sales/2026-10-31/emea/_SUCCESS") -> Occurrence:
    """Return an upload."""
    occurrence = sample(When("s3", {"bucket": "raw", "key": key}))
    assert occurrence
    return occurrence


def explained(trigger: Trigger, key: str = "sales/2026-10-31/emea/_SUCCESS", **limits: Limits) -> list[str]:
    """Return what is said of an upload, with the deployed stack's batches."""
    batches = Batches(stacks.stack("pipeline-triggers-dev"), limits)
    return joins(trigger, uploaded(key), batches, time.time())


def close(deployed: OnBatch) -> None:
    """Let the open batch wait for its turn."""
    (slot,) = deployed.services().store.open_slots()
    make_due(slot, [Target("train")], "complete", deployed.services())


def test_a_first_event_opens_a_batch() -> None:
    """It says what would be missing then, and until when."""
    assert explained(REPORT) == [
        "by 2026-10-31, part emea",
        "opens a batch",
        "then missing: amer",
        "its deadline is 2 hours after its first event",
    ]


def test_a_batch_without_parts_says_when_it_closes() -> None:
    """By the document, where none is open."""
    closes = "closes after 5 minutes without an event, 1 hour after the first, or at 10000 events"
    assert explained(PLAIN) == ["opens a batch", closes]


def test_an_event_joins_the_open_batch(deployed: OnBatch) -> None:
    """The last part completes it."""
    batch = deployed.collect("amer")
    about, joined, then = explained(REPORT)
    assert (about, then) == ("by 2026-10-31, part emea", "complete with it")
    assert joined == f"joins batch {batch[:8]}, which has 1 events"
    deployed.collect("a", Rules(), by="")
    assert explained(PLAIN)[-1].startswith("closes in 4 min if nothing comes")


def test_a_batch_that_is_due_says_what_it_waits_for(deployed: OnBatch) -> None:
    """It still takes events."""
    deployed.collect("amer")
    close(deployed)
    *_, due, waits = explained(REPORT)
    assert due == "the batch closed (complete) and waits for its turn"
    assert waits == "waits at train: behind 1 of the same trigger"


def test_a_late_event_corrects_what_was_sealed(deployed: OnBatch) -> None:
    """Or is ignored, as the document says."""
    batch = deployed.collect("amer")
    close(deployed)
    store = deployed.services().store
    (slot,) = store.open_slots()
    store.seal(slot, sealed(slot), time.time())
    assert explained(REPORT)[2:] == [
        f"corrects batch {batch[:8]}, as revision 2",
        "closes after 5 minutes without an event",
    ]
    ignoring = replace(REPORT, collect=replace(REPORT.collect or Collect(), late="ignore"))
    assert explained(ignoring)[2:] == [f"no: batch {batch[:8]} was sealed before, and late events are ignored"]


def test_without_a_stack_nothing_is_known_of_open_batches() -> None:
    """It says what the document says."""
    assert joins(REPORT, uploaded(), None, 0)[1] == "joins the open batch, or opens one"


def _judged(trigger: Trigger, monkeypatch: pytest.MonkeyPatch, **limits: Limits) -> Any:
    monkeypatch.setattr("pipeline_triggers.starts.definition.fit", lambda _pipeline, values, _version: values)
    arrival = Arrival(trigger.id, "e", uploaded())
    batches = Batches(stacks.stack("pipeline-triggers-dev"), limits)
    (explanation,) = judge(trigger, arrival, batches)
    return explanation


def test_explain_says_what_would_be_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one explanation for all pipelines."""
    explanation = _judged(REPORT, monkeypatch)
    assert (explanation.outcome, explanation.pipeline) == ("WOULD COLLECT", None)
    assert explanation.reason.startswith("by 2026-10-31, part emea; opens a batch; then missing: amer")


def test_explain_says_what_a_start_would_wait_for(deployed: OnBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit, which may skip it, or a pause, which never does."""
    single = replace(REPORT, collect=None)
    assert _judged(single, monkeypatch).outcome == "WOULD START"
    deployed.queue_up("one", "team/other", "train")
    store = deployed.services().store
    pipeline = store.pipeline("train")
    assert pipeline
    turn = Turn(next(iter(store.tickets("train"))), Phase.BEGUN, int(time.time()), "n")
    store.begin(turn, pipeline, counted=False)
    store.finish(turn, "arn:running", time.time(), track=True)
    one = Limits(max_running=1)
    waits = _judged(single, monkeypatch, train=one)
    assert (waits.outcome, waits.reason) == ("WOULD WAIT", "1 running, max_running is 1: arn:running")
    skipping = replace(single, when_busy="skip")
    assert _judged(skipping, monkeypatch, train=one).outcome == "WOULD SKIP"
    deployed.services().records.set_pause(Pause("pipeline", "train", None, "me", "quota", int(time.time())))
    paused = _judged(skipping, monkeypatch, train=one)
    assert (paused.outcome, paused.reason) == ("WOULD WAIT", "pipeline train is paused until it is resumed: quota")


def test_the_batches_of_several_expected_parts_are_counted() -> None:
    """Where the document gives a number."""
    assert REPORT.collect
    hours = replace(REPORT, collect=replace(REPORT.collect, expect=24))
    assert explained(hours)[2] == "then missing: 23 more parts"
