"""What a message of a handler's queue holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.errors import Probed, Rejected
from pipeline_triggers.events.envelope import Arrival, from_rule
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language.sources import HANDLERS
from pipeline_triggers.models import Start, Trigger, When

from tests import PROJECT

# A trigger of each source, with the handler that its events go to.
OF_HANDLER = {
    "s3": "OnS3Upload",
    "endpoint": "OnEndpointStatus",
    "drift": "OnEndpointStatus",
    "training_job": "OnEvent",
    "schedule": "OnEvent",
    "event": "OnEvent",
    "sns": "OnSnsMessage",
}


def message(source: str, **more: Any) -> tuple[str, dict[str, Trigger]]:
    """Return what a rule would send for a trigger of a source, and that trigger."""
    sample = {"event": "pipeline", "drift": "drift"}.get(source, source)
    event = json.loads((PROJECT / "events" / f"{sample}.json").read_text(encoding="utf-8"))
    trigger = Trigger("team/one", When(source, {}), (Start("train", {}),), **more)
    return json.dumps({"trigger": trigger.id, "event": event}), {trigger.id: trigger}


@pytest.mark.parametrize("source", OF_HANDLER)
@pytest.mark.parametrize("handler", [handler for handler in HANDLERS if handler != "OnSnsMessage"])
def test_an_event_is_read_for_a_trigger_of_this_handler_only(handler: str, source: str) -> None:
    """Any rule of the account may name any trigger."""
    body, triggers = message(source)
    (arrival,) = from_rule(handler, body, triggers)
    if handler == OF_HANDLER[source]:
        assert arrival.occurrence().event_id
    else:
        with pytest.raises(Rejected, match=f"wrong queue: team/one is a trigger on {source}; find the rule"):
            arrival.occurrence()


@pytest.mark.parametrize("source", ["s3", "event", "schedule"])
def test_no_event_is_read_for_a_direct_trigger(source: str) -> None:
    """AWS itself starts its pipelines."""
    body, triggers = message(source, direct=True)
    (arrival,) = from_rule(OF_HANDLER[source], body, triggers)
    with pytest.raises(Rejected, match=f"wrong queue: team/one is a direct trigger on {source}"):
        arrival.occurrence()


def test_an_event_of_a_removed_trigger_keeps_its_subject() -> None:
    """Its verdict names what happened."""
    body, _ = message("s3")
    (arrival,) = from_rule("OnS3Upload", body, {})
    assert arrival.occurrence().subject == "s3://acme-raw-dev/churn/2026-10/data.csv"


def read_by(handler: str, body: str, triggers: dict[str, Trigger]) -> Arrival:
    """Return what a handler reads in a message."""
    arrivals = from_topic(None, body, triggers) if handler == "OnSnsMessage" else from_rule(handler, body, triggers)
    (arrival,) = arrivals
    return arrival


@pytest.mark.parametrize("source", OF_HANDLER)
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_probe_is_answered_by_the_handler_of_its_trigger(handler: str, source: str) -> None:
    """It shows that messages reach that function, and that it was deployed with this trigger."""
    _, triggers = message(source)
    arrival = read_by(handler, json.dumps({"trigger": "team/one", "probe": "p-1"}), triggers)
    assert (arrival.trigger, arrival.event_id) == ("team/one", "p-1")
    with pytest.raises(Probed if handler == OF_HANDLER[source] else Rejected):
        arrival.occurrence()


def test_an_event_can_not_be_hidden_as_a_probe() -> None:
    """Neither by a word inside it, which publishers may write, nor beside it."""
    body, triggers = message("s3")
    raw = json.loads(body)
    for marked in ({**raw, "probe": "p-1"}, {**raw, "event": {**raw["event"], "probe": "p-1"}}):
        assert read_by("OnS3Upload", json.dumps(marked), triggers).occurrence().event_id


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "detail", "bucket", "object"]), inner),
    )
)
def test_no_payload_is_an_uncaught_error(payload: object) -> None:
    """Whatever the queue holds is read or rejected."""
    for body in (json.dumps(payload), json.dumps({"trigger": "t", "event": payload})):
        try:
            for handler in ("OnS3Upload", "OnEvent"):
                for arrival in from_rule(handler, body, {}):
                    arrival.occurrence()
        except Rejected:
            continue
