"""The handlers' log lines, in the shape that Lambda's JSON log format keeps as it is."""

from __future__ import annotations

import io
import json
from datetime import datetime

import pytest
from pipeline_triggers import telemetry
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.telemetry import logger

from tests.simulation.invocation import ENVIRONMENT


def test_a_log_line_has_a_level_and_an_rfc_3339_timestamp(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda takes a line without them for INFO, and writes a timestamp of its own into it."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    logger.warning("verdict")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["message"]) == ("WARNING", "verdict")
    date, separator, _ = line["timestamp"].partition("T")
    assert (len(date), separator) == (10, "T")
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


@pytest.mark.parametrize(
    ("switch", "deployed", "counted"),
    [
        ("off", True, [{"Team": "churn"}]),
        ("on", True, [{"Team": "churn"}, {"Trigger": "churn/nightly"}]),
        ("on", False, [{"Team": "unknown"}, {"Trigger": "unknown"}]),
    ],
)
def test_verdicts_are_counted_by_team_and_on_request_by_trigger(
    monkeypatch: pytest.MonkeyPatch, switch: str, deployed: bool, counted: list[dict[str, str]]
) -> None:
    """CloudWatch bills each combination, and there are as many triggers as people write."""
    for name, value in {**ENVIRONMENT, "TRIGGER_METRICS": switch}.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    counts: list[dict[str, str]] = []
    monkeypatch.setattr(telemetry, "count", lambda _, **dimensions: counts.append(dimensions))
    telemetry.report(Verdict(Outcome.STARTED, "churn/nightly", "e"), deployed=deployed)
    settings.cache_clear()
    assert counts == counted
