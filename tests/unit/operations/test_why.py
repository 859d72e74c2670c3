"""The links behind a verdict: which of them break the way, and what fixes it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.operations import why
from pipeline_triggers.operations.stacks import Stack
from pipeline_triggers.operations.verdict_log import LoggedVerdict
from pipeline_triggers.operations.why import Link, Question

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RUN = "arn:aws:sagemaker:eu-central-1:1:pipeline/train/execution/1"
FILTERED = Verdict(Outcome.FILTERED, "t/other", "e", "s3://raw/a", reason="the key does not match in/*")
STARTED = Verdict(Outcome.STARTED, "t/one", "e", "s3://raw/a", "train", execution_arn=RUN)
FAILED = Verdict(Outcome.FAILED, "t/one", "e", "s3://raw/a", "train", "no memory", RUN, seconds=90)


def links(monkeypatch: pytest.MonkeyPatch, *verdicts: Verdict) -> list[Link]:
    """Return the links of an event that came to these verdicts; a run without a known end succeeded."""
    monkeypatch.setattr(why, "_seen", lambda *_, **__: [LoggedVerdict(NOW, one) for one in verdicts])
    monkeypatch.setattr(why, "_run", lambda execution: Link("run", f"{execution} Succeeded"))
    question = Question(Stack("stack", {}, {}), [], NOW)
    return list(why.of_event(question, "e"))


def test_an_event_that_another_trigger_started_is_not_broken_where_one_filters_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two triggers match; only one of them is meant."""
    found = links(monkeypatch, FILTERED, STARTED)
    assert [(link.name, link.goes_on, link.fix) for link in found] == [
        ("verdict", True, ""),
        ("verdict", True, ""),
        ("run", True, ""),
    ]


def test_an_event_that_every_trigger_filters_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what would change that."""
    (link,) = links(monkeypatch, FILTERED)
    assert (link.goes_on, link.fix) == (False, "nothing, if that is meant; else change the trigger's when or if")


def test_a_run_whose_end_is_known_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record says how it ended and after how long."""
    started, failed = links(monkeypatch, STARTED, FAILED)
    assert (started.goes_on, failed.goes_on) == (True, False)
    assert failed.seen == "2026-11-21 00:00:00 FAILED t/one train no memory after 1 min"
