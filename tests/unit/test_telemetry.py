"""The handlers' log lines, in the shape that Lambda's JSON log format keeps as it is."""

from __future__ import annotations

import io
import json
from datetime import datetime

import pytest
from pipeline_triggers.telemetry import logger


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
