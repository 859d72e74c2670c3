"""A handler's log → the verdicts in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber
from pipeline_triggers import aws
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.operations.verdict_log import LoggedVerdict, verdicts

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
LINE = {"level": "INFO", "message": "verdict", "trigger": "team/one", "event_id": "e", "outcome": "STARTED"}
PATTERN = '{ ($.message = "verdict") && ($.trigger = "team/one") }'


@pytest.fixture
def log(empty_account: None) -> Iterator[Stubber]:  # noqa: ARG001 - so nothing leaves this machine
    """CloudWatch Logs, stubbed; no emulator matches its patterns faithfully."""
    with Stubber(aws.logs()) as stubber:
        yield stubber


def answer(log: Stubber, pattern: str, *lines: object) -> None:
    """Answer one search with lines, a second apart."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    start = int(SINCE.timestamp() * 1000)
    events: list[Any] = [{"timestamp": start + at * 1000, "message": text} for at, text in enumerate(texts)]
    log.add_response(
        "filter_log_events",
        {"events": events},
        {"logGroupName": "group", "filterPattern": pattern, "startTime": start},
    )


def test_the_search_is_left_to_cloudwatch(log: Stubber) -> None:
    """By a pattern on the fields of its lines; each verdict comes with its time."""
    answer(log, PATTERN, LINE, {**LINE, "pipeline": "p", "reason": "r"})
    found = list(verdicts("group", SINCE, trigger="team/one"))
    assert found == [
        LoggedVerdict(SINCE, Verdict(Outcome.STARTED, "team/one", "e")),
        LoggedVerdict(SINCE.replace(second=1), Verdict(Outcome.STARTED, "team/one", "e", pipeline="p", reason="r")),
    ]
    assert found[0].as_json() == {
        "time": "2026-11-01T00:00:00+00:00", "outcome": "STARTED", "trigger": "team/one", "event_id": "e"
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "START RequestId: 1",
        '"verdict team/one"',
        {**LINE, "trigger": "team/one-more"},
        {**LINE, "message": "will be retried"},
        {"message": "verdict"},
    ],
)
def test_any_other_line_is_passed_over(log: Stubber, line: object) -> None:
    """Lambda's own lines, other triggers, other messages."""
    answer(log, PATTERN, line)
    assert list(verdicts("group", SINCE, trigger="team/one")) == []
