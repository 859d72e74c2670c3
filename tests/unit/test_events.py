"""Raw payloads → Occurrences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers import events
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.models import Occurrence, Trigger, When

from tests import PROJECT

EVENT = json.loads((PROJECT / "events" / "s3.json").read_text(encoding="utf-8"))


def test_an_upload_binds_the_object() -> None:
    """``$object`` has what S3 says of the object, under plain names."""
    assert events.s3_upload(EVENT).bindings == {
        "object": {
            "bucket": "acme-raw-dev",
            "key": "churn/2026-10/data.csv",
            "name": "data.csv",
            "uri": "s3://acme-raw-dev/churn/2026-10/data.csv",
            "size": 48213,
            "etag": "9b2cf535f27731c974343645a3985328",
            "version_id": "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
            "sequencer": "00671F8A2C55E0B1D4",
            "reason": "PutObject",
        }
    }


def test_an_unversioned_bucket_is_told_apart_by_etag() -> None:
    """Without a version id, the etag and the sequencer say which upload it was."""
    s3_object = {name: value for name, value in EVENT["detail"]["object"].items() if name != "version-id"}
    upload = events.s3_upload({**EVENT, "detail": {**EVENT["detail"], "object": s3_object}})
    assert "version_id" not in upload.bindings["object"]
    assert upload.identity == (
        "s3",
        "acme-raw-dev",
        "churn/2026-10/data.csv",
        "9b2cf535f27731c974343645a3985328",
        "00671F8A2C55E0B1D4",
    )


def test_the_identity_is_of_the_upload_not_of_the_event() -> None:
    """EventBridge may deliver one upload as two events; they are the same upload."""
    assert events.s3_upload({**EVENT, "id": "another"}).identity == events.s3_upload(EVENT).identity


SNS = json.loads((PROJECT / "events" / "sns.json").read_text(encoding="utf-8"))
OTHERS = {"t": Trigger("t", When("sns", {"topic": SNS["TopicArn"]}), ())}


def published(message: str, triggers: Mapping[str, Trigger] = OTHERS, **more: Any) -> Occurrence:
    """Return what a message on a topic comes to for its only trigger."""
    (arrival,) = events.from_topic("own", json.dumps({**SNS, "Message": message, **more}), triggers)
    return arrival.occurrence()


def requested(message: str) -> Occurrence:
    """Return what a message on the stack's own topic comes to."""
    (arrival,) = events.from_topic(SNS["TopicArn"], json.dumps({**SNS, "Message": message}), {})
    return arrival.occurrence()


def test_a_request_is_read_from_the_stack_s_own_topic_only() -> None:
    """On another topic the same message is a message like any other."""
    request = requested(SNS["Message"]).request
    assert request is not None
    assert (request.trigger, request.pipeline) == ("churn/requests", "churn-training")
    assert request.parameters == {"InputDataUrl": "s3://acme-raw-dev/churn/2026-10/data.csv"}
    assert published(SNS["Message"]).request is None


def test_numbers_and_booleans_of_a_request_are_spelt_as_the_sdk_does() -> None:
    """JSON's own types may be used for parameters."""
    request = requested('{"trigger": "t/t", "parameters": {"A": 1, "B": 2.0, "C": 0.5, "D": true}}').request
    assert request is not None
    assert request.parameters == {"A": "1", "B": "2", "C": "0.5", "D": "True"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("hello", "the request is not {"),
        ("[]", "the request is not {"),
        ('{"trigger": 5}', "the request is not {"),
        ('{"trigger": "t/t", "RoleArn": "x", "token": "y"}', "the request sets RoleArn, token; it may set trigger, "),
        ('{"trigger": "t/t", "pipeline": ""}', "the request's pipeline is no text"),
        ('{"trigger": "t/t", "dedupe": 5}', "the request's dedupe is no text"),
        ('{"trigger": "t/t", "parameters": []}', "the request's parameters are not {"),
        ('{"trigger": "t/t", "parameters": {"A": null}}', "the request's parameter A resolves to nothing"),
        ('{"trigger": "t/t", "parameters": {"A": ["x"]}}', "the request's parameter A gives a list"),
        ('{"trigger": "t/t", "parameters": {"A": ""}}', "the request's parameter A is empty"),
        ('{"trigger": "t/t", "parameters": {"A": "\\ud800"}}', "the request's parameter A holds half a surrogate"),
        ('{"trigger": "t/t", "trigger": "t/u"}', "the message sets 'trigger' twice; set it once"),
        ('{"trigger": "t/t", "parameters": {"A": NaN}}', "the message holds NaN, which is no JSON"),
        ('{"trigger": "t/t", "parameters": {"A": 1e999}}', "the message holds a number of 5 digits"),
        ('{"trigger": "t/t", "parameters": {"A": ' + "1" * 101 + "}}", "the message holds a number of 101 digits"),
        ("[" * 100_000, "the message is nested too deeply"),
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_rejected(message: str, reason: str) -> None:
    """With the reason; whoever parses the message later must not read something else."""
    with pytest.raises(Rejected) as rejected:
        requested(message)
    assert str(rejected.value).startswith(reason)


def test_a_message_s_body_is_json_where_it_is_json() -> None:
    """Else it is the text; attributes have their types."""
    attributes = {
        "n": {"Type": "Number", "Value": "5"},
        "l": {"Type": "String.Array", "Value": '["a"]'},
        "s": {"Type": "String", "Value": "5"},
    }
    message = published('{"a": [1]}', MessageAttributes=attributes).bindings["message"]
    assert (message["body"], message["text"]) == ({"a": [1]}, '{"a": [1]}')
    assert message["attributes"] == {"n": 5, "l": ["a"], "s": "5"}
    assert "subject" not in message
    assert published("[ALERT] x").bindings["message"]["body"] == "[ALERT] x"


def test_each_object_of_s3_s_notification_is_an_occurrence_of_its_own() -> None:
    """With its key decoded once, and the identity that its event on EventBridge has."""
    records = json.loads(json.loads((PROJECT / "events" / "sns_topic.json").read_text(encoding="utf-8"))["Message"])
    (record,) = records["Records"]
    other = json.loads(json.dumps(record).replace("M%C3%A4rz+100%25.csv", "a%2Bb.csv"))
    body = json.dumps({**SNS, "Message": json.dumps({"Records": [record, other]})})
    found = [arrival.occurrence() for arrival in events.from_topic("own", body, OTHERS)]
    assert [one.bindings["object"]["key"] for one in found] == ["churn/2026-10/März 100%.csv", "churn/2026-10/a+b.csv"]
    assert found[0].identity == (
        "s3",
        "acme-raw-dev",
        "churn/2026-10/März 100%.csv",
        "9b2cf535f27731c974343645a3985328",
        "0062E99A88DC407460",
    )


def test_s3_s_test_of_a_topic_starts_nothing() -> None:
    """S3 publishes it when somebody sets up its notifications."""
    with pytest.raises(Filtered, match="S3 tests whether it may publish to this topic"):
        published('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"}')


def test_a_message_whose_subscribers_are_gone_is_rejected() -> None:
    """It is no request, though it lies in the same queue."""
    with pytest.raises(Rejected, match="no trigger subscribes to"):
        published("x", {"t": replace(OTHERS["t"], enabled=False)})
    for body in ("", "{}", "[" * 100_000, json.dumps({**SNS, "Type": "SubscriptionConfirmation"})):
        with pytest.raises(Rejected):
            events.from_topic("own", body, OTHERS)


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
            for read in (partial(events.from_rule, events.s3_upload), partial(events.from_rule, events.eventbridge)):
                for arrival in read(body, {}):
                    arrival.occurrence()
        except Rejected:
            continue
