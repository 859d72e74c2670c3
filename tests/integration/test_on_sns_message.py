"""Messages on topics → executions, through the deployed stack: publishers' requests, and topics of others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import PROJECT
from tests.integration import STACK
from tests.localaws.local_aws import LocalAws
from tests.localaws.scenarios import ALARM

pytestmark = pytest.mark.xdist_group(STACK)

HANDLER = "OnSnsMessage"


@pytest.fixture(scope="module")
def topic(deployed: LocalAws) -> str:
    """A topic of somebody else."""
    return str(deployed.client("sns").create_topic(Name="others")["TopicArn"])


def ask(aws: LocalAws, request: object) -> str:
    """Publish a request on the stack's own topic, and return the message's id."""
    message = request if isinstance(request, str) else json.dumps(request)
    arn = aws.outputs(STACK)["RequestsTopicArn"]
    return str(aws.client("sns").publish(TopicArn=arn, Message=message)["MessageId"])


def test_a_publisher_starts_what_the_document_lets_them_start(deployed: LocalAws) -> None:
    """The pipeline that they name, with the values that they may set in place of the document's."""
    requested = {"Value": "s3://raw-dev/{% 1 %}/$.x", "Size": "large"}
    message = ask(deployed, {"trigger": "messages/requests", "pipeline": "other", "parameters": requested})
    (verdict,) = deployed.new_verdicts(STACK, "messages/requests", 1, HANDLER)
    assert (verdict["outcome"], verdict["pipeline"], verdict["event_id"]) == ("STARTED", "other", message)
    assert deployed.execution_parameters(verdict["execution_arn"]) == requested


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"pipeline": "secret"}, "the request's pipeline 'secret' is not one of requested, other"),
        (
            {"pipeline": "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/requested"},
            "the request's pipeline 'arn:",
        ),
        (
            {"parameters": {"RoleArn": "x"}},
            "the request's parameter RoleArn may not be set; messages/requests accepts ",
        ),
        ({"parameters": {"Value": "s3://raw-devil/x"}}, "the request's parameter Value does not match s3://raw-dev/**"),
        ({"parameters": {"Size": "huge"}}, "the request's parameter Size is not one of small, large"),
        ({"RoleArn": "x"}, "the request sets RoleArn; it may set trigger, pipeline, parameters, dedupe"),
        ({"trigger": "messages/not-for-publishers"}, "messages/not-for-publishers does not accept requests; "),
        ({"trigger": "messages/gone"}, "trigger 'messages/gone' does not exist; did you mean messages/requests?"),
    ],
)
def test_a_refused_request_is_reported_and_kept(deployed: LocalAws, changed: dict[str, Any], reason: str) -> None:
    """Nothing starts; the message waits in the dead-letter queue with the reason."""
    request = {
        "trigger": "messages/requests",
        "pipeline": "requested",
        "parameters": {"Value": "s3://raw-dev/a"},
        **changed,
    }
    message = ask(deployed, request)
    (verdict,) = deployed.new_verdicts(STACK, request["trigger"], 1, HANDLER)
    assert verdict["outcome"] == "REJECTED"
    assert verdict["reason"].startswith(reason)
    dead = deployed.quarantined(STACK, HANDLER)
    assert json.loads(dead["body"])["MessageId"] == message
    assert dead["reason"] == verdict["reason"]


def test_a_business_key_starts_once(deployed: LocalAws) -> None:
    """Two messages with one ``dedupe`` ask for one execution."""
    request = {"trigger": "messages/requests", "pipeline": "requested", "parameters": {"Value": "s3://raw-dev/a"}}
    for _ in range(2):
        ask(deployed, {**request, "dedupe": "order 17"})
    first, second = deployed.new_verdicts(STACK, "messages/requests", 2, HANDLER)
    assert first["execution_arn"] == second["execution_arn"]


def test_a_topic_s_message_goes_to_each_of_its_triggers(deployed: LocalAws, topic: str) -> None:
    """One subscription brings it; S3's keys are url-encoded here, and a verdict names the object."""
    envelope = json.loads((PROJECT / "events" / "sns_topic.json").read_text(encoding="utf-8"))
    deployed.client("sns").publish(TopicArn=topic, Message=envelope["Message"])
    (upload,) = deployed.new_verdicts(STACK, "messages/uploads", 1, HANDLER)
    assert upload["subject"] == "s3://acme-raw-dev/churn/2026-10/März 100%.csv"
    assert deployed.execution_parameters(upload["execution_arn"])["Value"] == upload["subject"]
    (alarm,) = deployed.new_verdicts(STACK, "messages/alarms", 1, HANDLER)
    assert alarm["outcome"] == "FILTERED"


def test_body_attributes_and_subject_are_bound(deployed: LocalAws, topic: str) -> None:
    """An alarm's message is JSON."""
    deployed.client("sns").publish(
        TopicArn=topic,
        Subject="ALARM",
        Message=json.dumps(ALARM),
        MessageAttributes={"team": {"DataType": "String", "StringValue": "churn"}},
    )
    (alarm,) = deployed.new_verdicts(STACK, "messages/alarms", 1, HANDLER)
    assert deployed.execution_parameters(alarm["execution_arn"])["Value"] == "churn-drift churn ALARM"
    assert deployed.new_verdicts(STACK, "messages/uploads", 1, HANDLER)[0]["outcome"] == "FILTERED"


def test_sns_filters_a_topic_of_one_trigger(deployed: LocalAws, topic: str) -> None:
    """What the filter does not want has no verdict, because it reaches no handler."""
    for team in ("ltv", "churn"):
        deployed.client("sns").publish(
            TopicArn=f"{topic}-filtered",
            Message=f"for {team}",
            MessageAttributes={"team": {"DataType": "String", "StringValue": team}},
        )
    (verdict,) = deployed.new_verdicts(STACK, "messages/filtered", 1, HANDLER)
    assert deployed.execution_parameters(verdict["execution_arn"])["Value"] == "for churn"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('{"Service": "Amazon S3", "Event": "s3:TestEvent"}', "S3 tests whether it may publish to this topic"),
        ("[ALERT] plain text", "condition not met: {% $exists($object) %}"),
    ],
)
def test_other_notifications_of_s3_are_filtered(deployed: LocalAws, topic: str, message: str, reason: str) -> None:
    """S3's test of the topic, and a text that only looks like JSON."""
    deployed.client("sns").publish(TopicArn=topic, Message=message)
    for trigger in ("messages/uploads", "messages/alarms"):
        (verdict,) = deployed.new_verdicts(STACK, trigger, 1, HANDLER)
        assert verdict["outcome"] == "FILTERED"
        if trigger == "messages/uploads":
            assert verdict["reason"] == reason
