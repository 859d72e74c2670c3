"""Messages of SNS topics → Occurrences."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language.values import evaluate
from pipeline_triggers.models import Occurrence, Trigger, When

from tests import PROJECT

SNS = json.loads((PROJECT / "events" / "sns.json").read_text(encoding="utf-8"))
OTHERS = {"t": Trigger("t", When("sns", {"topic": SNS["TopicArn"]}), ())}
OWN = {
    **{name: Trigger(name, When("sns", {}), ()) for name in ("churn/requests", "sales/ask", "t/t")},
    "sales/nightly": Trigger("sales/nightly", When("schedule", {"rate": "1 day"}), ()),
}


def published(message: str, triggers: Mapping[str, Trigger] = OTHERS, **more: Any) -> Occurrence:
    """Return what a message on a topic comes to for its only trigger."""
    (arrival,) = from_topic("own", json.dumps({**SNS, "Message": message, **more}), triggers)
    return arrival.occurrence()


def requested(message: str) -> Occurrence:
    """Return what a message on the stack's own topic comes to."""
    (arrival,) = from_topic(SNS["TopicArn"], json.dumps({**SNS, "Message": message}), OWN)
    return arrival.occurrence()


def test_a_request_is_read_from_the_stack_s_own_topic_only() -> None:
    """On another topic the same message is a message like any other."""
    request = requested(SNS["Message"]).request
    assert request is not None
    assert (request.trigger, request.pipeline) == ("churn/requests", "churn-training")
    assert request.parameters == {
        "InputDataUrl": "s3://acme-raw-dev/churn/2026-10/data.csv",
        "Month": "2026-10",
        "Bucket": "acme-raw-dev",
    }
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
        ('{"trigger": "t/t", "pipeline": ""}', "the request's pipeline is not a text"),
        ('{"trigger": "t/t", "dedupe": 5}', "the request's dedupe is not a text"),
        ('{"trigger": "t/t", "parameters": []}', "the request's parameters are not {"),
        ('{"trigger": "t/t", "parameters": {"A": null}}', "the request's parameter A resolves to nothing"),
        ('{"trigger": "t/t", "parameters": {"A": ["x"]}}', "the request's parameter A gives a list"),
        ('{"trigger": "t/t", "parameters": {"A": ""}}', "the request's parameter A is empty"),
        ('{"trigger": "t/t", "parameters": {"A": "\\ud800"}}', "the request's parameter A holds half a surrogate"),
        ('{"trigger": "t/t", "trigger": "t/u"}', "the message sets 'trigger' twice; set it once"),
        ('{"trigger": "t/t", "parameters": {"A": NaN}}', "the message holds NaN, which is not valid JSON"),
        ('{"trigger": "t/t", "parameters": {"A": 1e999}}', "the message holds a number of 5 digits"),
        ('{"trigger": "t/t", "parameters": {"A": ' + "1" * 101 + "}}", "the message holds a number of 101 digits"),
        ("[" * 100_000, "the message is nested deeper than 50"),
        (
            '{"trigger": "t/t", "parameters": {"A": ' + "[" * 50 + "]" * 50 + "}}",
            "the message is nested deeper than 50",
        ),
        (
            '{"trigger": "t/t", "dedupe": "' + "k" * 1025 + '"}',
            "the request's dedupe is not a text of 1 to 1024 characters",
        ),
        ('"' + "x" * 262_144 + '"', "the message has more than 262144 bytes"),
    ],
)
def test_a_request_that_can_be_read_in_two_ways_is_rejected(message: str, reason: str) -> None:
    """With the reason; whoever parses the message later must not read something else."""
    with pytest.raises(Rejected) as rejected:
        requested(message)
    assert str(rejected.value).startswith(reason)


@pytest.mark.parametrize(
    ("trigger", "remedy"),
    [
        ("sales/aks", "did you mean sales/ask?"),
        ("sales/nightl", "use one of churn/requests, sales/ask, t/t"),
        ("\x1b[2J", "use one of churn/requests, sales/ask, t/t"),
    ],
)
def test_a_request_for_a_trigger_that_never_existed_names_those_that_take_requests(trigger: str, remedy: str) -> None:
    """A publisher's typo is not a trigger that was removed."""
    with pytest.raises(Rejected) as rejected:
        requested(json.dumps({"trigger": trigger}))
    assert str(rejected.value) == f"trigger {trigger!r} does not exist; {remedy}"


def test_a_request_where_no_trigger_takes_any_is_rejected() -> None:
    """With that as the reason."""
    body = json.dumps({**SNS, "Message": '{"trigger": "sales/ask"}'})
    (arrival,) = from_topic(SNS["TopicArn"], body, OTHERS)
    with pytest.raises(Rejected, match="trigger 'sales/ask' does not exist; no trigger takes requests"):
        arrival.occurrence()


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
    found = [arrival.occurrence() for arrival in from_topic("own", body, OTHERS)]
    assert [one.bindings["object"]["key"] for one in found] == ["churn/2026-10/März 100%.csv", "churn/2026-10/a+b.csv"]
    assert found[0].identity == (
        "s3",
        "acme-raw-dev",
        "churn/2026-10/März 100%.csv",
        "9b2cf535f27731c974343645a3985328",
        "0062E99A88DC407460",
    )


def test_deletions_in_s3_are_not_uploads() -> None:
    """Through a topic comes whatever its notifications ask for; one odd record does not hold up the others."""
    message = json.loads((PROJECT / "events" / "sns_topic.json").read_text(encoding="utf-8"))["Message"]
    (record,) = json.loads(message)["Records"]
    odd: list[Any] = [{**record, "eventName": "ObjectRemoved:Delete"}, {**record, "s3": {}}, record]
    body = json.dumps({**SNS, "Message": json.dumps({"Records": odd})})
    removed, broken, created = from_topic("own", body, OTHERS)
    with pytest.raises(Filtered, match="S3 reports ObjectRemoved:Delete, which is not an upload"):
        removed.occurrence()
    with pytest.raises(Rejected, match="the record is not a notification of S3"):
        broken.occurrence()
    assert created.occurrence().bindings["object"]["reason"] == "ObjectCreated:Put"


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
            from_topic("own", body, OTHERS)


def test_the_records_of_a_message_share_a_budget() -> None:
    """So do the triggers that subscribe to its topic: a message is to take no longer than one event."""
    record = {"eventName": "ObjectCreated:Put", "eventSource": "aws:s3", "s3": {"bucket": {"name": "b"}, "object": {}}}
    records = [{**record, "s3": {"bucket": {"name": "b"}, "object": {"key": str(n)}}} for n in range(10)]
    two = {name: Trigger(name, When("sns", {"topic": SNS["TopicArn"]}), ()) for name in ("t/a", "t/b")}
    message = json.dumps({**SNS, "Message": json.dumps({"Records": records})})
    occurrences = [arrival.occurrence() for arrival in from_topic("own", message, two)]
    assert len(occurrences) == 20
    source = "{% $object.key & $sum($map([1..200], function($i) { $i })) %}"
    assert evaluate(source, occurrences[0]) == "020100"
    with pytest.raises(Rejected, match="does more work than the expressions on one message may do"):
        [evaluate(source, occurrence) for occurrence in occurrences * 10]
