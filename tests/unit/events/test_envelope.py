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
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.events import envelope
from pipeline_triggers.models import Occurrence, Trigger, When

from tests import PROJECT

EVENT = json.loads((PROJECT / "events" / "s3.json").read_text(encoding="utf-8"))


def test_an_upload_binds_the_object() -> None:
    """``$object`` has what S3 says of the object, under plain names."""
    assert envelope.s3_upload(EVENT).bindings == {
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
    upload = envelope.s3_upload({**EVENT, "detail": {**EVENT["detail"], "object": s3_object}})
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
    assert envelope.s3_upload({**EVENT, "id": "another"}).identity == envelope.s3_upload(EVENT).identity


SNS = json.loads((PROJECT / "events" / "sns.json").read_text(encoding="utf-8"))
OTHERS = {"t": Trigger("t", When("sns", {"topic": SNS["TopicArn"]}), ())}


def published(message: str, triggers: Mapping[str, Trigger] = OTHERS, **more: Any) -> Occurrence:
    """Return what a message on a topic comes to for its only trigger."""
    (arrival,) = envelope.from_topic("own", json.dumps({**SNS, "Message": message, **more}), triggers)
    return arrival.occurrence()


def requested(message: str) -> Occurrence:
    """Return what a message on the stack's own topic comes to."""
    (arrival,) = envelope.from_topic(SNS["TopicArn"], json.dumps({**SNS, "Message": message}), {})
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
        ("[" * 100_000, "the message is nested deeper than 50"),
        (
            '{"trigger": "t/t", "parameters": {"A": ' + "[" * 50 + "]" * 50 + "}}",
            "the message is nested deeper than 50",
        ),
        ('{"trigger": "t/t", "dedupe": "' + "k" * 1025 + '"}', "the request's dedupe is no text of 1024 characters"),
        ('"' + "x" * 262_144 + '"', "the message has more than 262144 bytes"),
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
    for text in ("[ALERT] x", "Infinity is near", "NaN%", '{"a": 1, "a": 2} and more'):
        assert published(text).bindings["message"]["body"] == text
    assert "attributes" in published("x", MessageAttributes=["odd"]).bindings["message"]


def test_each_object_of_s3_s_notification_is_an_occurrence_of_its_own() -> None:
    """With its key decoded once, and the identity that its event on EventBridge has."""
    records = json.loads(json.loads((PROJECT / "events" / "sns_topic.json").read_text(encoding="utf-8"))["Message"])
    (record,) = records["Records"]
    other = json.loads(json.dumps(record).replace("M%C3%A4rz+100%25.csv", "a%2Bb.csv"))
    body = json.dumps({**SNS, "Message": json.dumps({"Records": [record, other]})})
    found = [arrival.occurrence() for arrival in envelope.from_topic("own", body, OTHERS)]
    assert [one.bindings["object"]["key"] for one in found] == ["churn/2026-10/März 100%.csv", "churn/2026-10/a+b.csv"]
    assert found[0].identity == (
        "s3",
        "acme-raw-dev",
        "churn/2026-10/März 100%.csv",
        "9b2cf535f27731c974343645a3985328",
        "0062E99A88DC407460",
    )


def test_what_s3_deleted_is_no_upload() -> None:
    """Through a topic comes whatever its notifications ask for; one odd record does not hold up the others."""
    message = json.loads((PROJECT / "events" / "sns_topic.json").read_text(encoding="utf-8"))["Message"]
    (record,) = json.loads(message)["Records"]
    odd: list[Any] = [{**record, "eventName": "ObjectRemoved:Delete"}, {**record, "s3": {}}, record]
    body = json.dumps({**SNS, "Message": json.dumps({"Records": odd})})
    removed, broken, created = envelope.from_topic("own", body, OTHERS)
    with pytest.raises(Filtered, match="S3 tells of ObjectRemoved:Delete, which is no upload"):
        removed.occurrence()
    with pytest.raises(Rejected, match="the record is no notification of S3"):
        broken.occurrence()
    assert created.occurrence().bindings["object"]["reason"] == "ObjectCreated:Put"


@pytest.mark.parametrize("time", [1793506329000, 1793506329000.0, "1793506329000", "2026-11-01T04:12:09Z"])
def test_times_are_iso_however_sagemaker_writes_them(time: object) -> None:
    """Milliseconds since 1970, as number or text, are the same change as the ISO time."""
    event = json.loads((PROJECT / "events" / "endpoint.json").read_text(encoding="utf-8"))
    event["time"] = event["detail"]["LastModifiedTime"] = time
    occurrence = envelope.eventbridge(event)
    assert occurrence.event["time"] == "2026-11-01T04:12:09Z"
    assert occurrence.identity[-1] == "2026-11-01T04:12:09Z"


@pytest.mark.parametrize("status", ["IN_SERVICE", "InService", "in-service", "INSERVICE", "In_Service"])
def test_a_status_is_spelt_as_the_api_does(status: str) -> None:
    """And tags are a mapping, however they come."""
    event = json.loads((PROJECT / "events" / "endpoint.json").read_text(encoding="utf-8"))
    event["detail"] |= {"EndpointStatus": status, "Tags": [{"Key": "team", "Value": "churn"}]}
    endpoint = envelope.eventbridge(event).bindings["endpoint"]
    assert (endpoint["status"], endpoint["tags"]) == ("InService", {"team": "churn"})


def test_a_variant_that_is_scaled_is_a_deployment_too() -> None:
    """AWS documents the stages in both places."""
    event = json.loads((PROJECT / "events" / "endpoint_deployment.json").read_text(encoding="utf-8"))
    variants = event["detail"].pop("PendingDeploymentSummary")["ProductionVariants"]
    variants[0]["VariantStatus"][0]["Status"] = "BAKING"
    event["detail"]["ProductionVariants"] = [*variants, {"CurrentWeight": 1}]
    endpoint = envelope.eventbridge(event).bindings["endpoint"]
    assert (endpoint["deployment"], endpoint["variants"]) == (["Baking"], ["main"])


def test_a_retried_execution_ends_once_more() -> None:
    """It keeps its ARN; the end is another one."""
    event = json.loads((PROJECT / "events" / "pipeline.json").read_text(encoding="utf-8"))
    again = {**event, "detail": {**event["detail"], "executionEndTime": "2026-11-02T00:00:00Z"}}
    assert envelope.eventbridge(event).identity != envelope.eventbridge(again).identity


@pytest.mark.parametrize(
    "changed",
    [
        {"detail-type": "SageMaker Endpoint State Change", "detail": {"ProductionVariants": 5, "EndpointArn": "a"}},
        {"detail-type": "CloudWatch Alarm State Change", "detail": {"state": "ALARM"}},
        {"detail-type": "CloudWatch Alarm State Change", "resources": {"a": 1}, "detail": {"state": {}}},
        {"detail-type": "SageMaker Endpoint State Change", "detail": {"Tags": ["x"]}},
    ],
)
def test_an_event_of_an_odd_shape_is_rejected(changed: dict[str, Any]) -> None:
    """With what it was taken for."""
    with pytest.raises(Rejected, match=f"the event is no {changed['detail-type']} as AWS sends it"):
        envelope.eventbridge({"id": "i", **changed})


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
            envelope.from_topic("own", body, OTHERS)


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
            for read in (
                partial(envelope.from_rule, envelope.s3_upload),
                partial(envelope.from_rule, envelope.eventbridge),
            ):
                for arrival in read(body, {}):
                    arrival.occurrence()
        except Rejected:
            continue


# ---- Schedules

SCHEDULED = json.loads((PROJECT / "events" / "schedule.json").read_text(encoding="utf-8"))


def scheduled(time: str, timezone: str = "Europe/Berlin") -> Occurrence:
    """Return what a schedule's event is read as."""
    return envelope.eventbridge({**SCHEDULED, "time": time, "detail": {"trigger": "team/one", "timezone": timezone}})


def test_a_schedule_binds_its_time_and_its_own_date() -> None:
    """The time that was asked for, in UTC and in the schedule's zone."""
    assert envelope.eventbridge(SCHEDULED).bindings == {
        "scheduled": {
            "time": "2026-11-01T01:00:00Z",
            "local": "2026-11-01T02:00:00+01:00",
            "date": "2026-11-01",
            "timezone": "Europe/Berlin",
            "arn": "arn:aws:scheduler:eu-central-1:123456789012:schedule/churn/nightly",
        }
    }
    assert envelope.eventbridge(SCHEDULED).subject == SCHEDULED["resources"][0]


@pytest.mark.parametrize(
    ("time", "timezone", "local"),
    [
        ("2027-03-28T00:59:00Z", "Europe/Berlin", "2027-03-28T01:59:00+01:00"),
        ("2027-03-28T01:00:00Z", "Europe/Berlin", "2027-03-28T03:00:00+02:00"),
        ("2027-10-31T00:30:00Z", "Europe/Berlin", "2027-10-31T02:30:00+02:00"),
        ("2027-10-31T01:30:00Z", "Europe/Berlin", "2027-10-31T02:30:00+01:00"),
        ("2026-12-31T23:30:00Z", "Asia/Tokyo", "2027-01-01T08:30:00+09:00"),
        ("2027-01-01T00:30:00Z", "America/New_York", "2026-12-31T19:30:00-05:00"),
        ("2027-01-01T00:30:00Z", "UTC", "2027-01-01T00:30:00+00:00"),
    ],
)
def test_a_date_is_that_of_the_schedule_s_zone(time: str, timezone: str, local: str) -> None:
    """Over both shifts of the clocks, and over midnight."""
    bound = scheduled(time, timezone).bindings["scheduled"]
    assert (bound["time"], bound["local"], bound["date"]) == (time, local, local[:10])


def test_a_schedule_is_identified_by_its_time() -> None:
    """Scheduler gives each attempt an id of its own; in the hour that comes twice, UTC tells the times apart."""
    again = envelope.eventbridge({**SCHEDULED, "id": "another"})
    assert again.identity == envelope.eventbridge(SCHEDULED).identity == ("schedule", "2026-11-01T01:00:00Z")
    assert scheduled("2027-10-31T00:30:00Z").identity != scheduled("2027-10-31T01:30:00Z").identity
    assert scheduled("2026-11-01T02:00:00+01:00").identity == ("schedule", "2026-11-01T01:00:00Z")


@pytest.mark.parametrize(
    "change",
    [
        {"time": "<aws.scheduler.scheduled-time>"},
        {"time": "2026-11-01T01:00:00"},
        {"time": 5},
        {"time": "9999-12-31T23:59:59Z"},
        {"resources": []},
        {"detail": {"trigger": "team/one", "timezone": "../../etc/passwd"}},
        {"detail": {"trigger": "team/one", "timezone": "Nowhere"}},
        {"detail": {"trigger": "team/one", "timezone": "Europe"}},
    ],
)
def test_what_no_compiled_schedule_sends_is_rejected(change: dict[str, Any]) -> None:
    """With the reason."""
    with pytest.raises(Rejected, match=r"the event is none of a schedule as compiled: "):
        envelope.eventbridge({**SCHEDULED, **change})


def test_an_event_of_a_scheduled_rule_is_no_schedule_of_ours() -> None:
    """EventBridge's own scheduled rules send with the same detail-type."""
    event = {**SCHEDULED, "source": "aws.events", "detail": {}}
    assert envelope.eventbridge(event).bindings == {}
    assert envelope.eventbridge(event).identity == ("event", SCHEDULED["id"])
