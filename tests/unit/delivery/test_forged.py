"""Messages that any rule of the account can put into a handler's queue, naming any trigger with any event."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.telemetry import logger

from functions import on_endpoint_status, on_event, on_s3_upload, on_sns_message
from tests import PROJECT
from tests.simulation.invocation import accepting_all, context, record

BOTH = (Start("train", {}), Start("report", {}))
TRIGGERS = {
    trigger.id: trigger
    for trigger in (
        Trigger("team/one-of", When("sns", {}), BOTH, one_of=True),
        Trigger("team/requests", When("sns", {}), BOTH),
        Trigger("team/topic", When("sns", {"topic": "arn:aws:sns:eu-central-1:123456789012:uploads"}), BOTH),
        Trigger("team/disabled", When("event", {"pattern": {}}), BOTH, enabled=False),
        Trigger("team/disabled-upload", When("s3", {"bucket": "acme-raw-dev"}), BOTH, enabled=False),
        Trigger("team/direct", When("event", {"pattern": {}}), BOTH, direct=True),
    )
}
EVENTS: list[dict[str, Any]] = [
    json.loads(path.read_text(encoding="utf-8")) for path in sorted((PROJECT / "events").glob("*.json"))
]


@pytest.mark.parametrize("trigger", TRIGGERS)
@pytest.mark.parametrize("handler", [on_s3_upload, on_endpoint_status, on_event, on_sns_message])
def test_a_forged_message_starts_nothing(handler: Any, trigger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is rejected and quarantined: the trigger is another handler's, disabled, direct, or lacks a request."""
    monkeypatch.setattr(logger.registered_handler, "stream", io.StringIO())
    with accepting_all(TRIGGERS) as world:
        bodies = [json.dumps({"trigger": trigger, "event": event}) for event in EVENTS]
        records = [record(f"m{at}", body) for at, body in enumerate(bodies)]
        assert handler.handler({"Records": records}, context()) == {"batchItemFailures": []}
    assert world.started == []
    assert len(world.quarantined) == len(bodies)
