"""The checks of ``triggers doctor`` that the embedded AWS can't be broken for, on what AWS would answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pipeline_triggers.account.home import Home
from pipeline_triggers.models import Limits, Start, Trigger, When
from pipeline_triggers.operations.doctor import checks, events_side, pipeline_side, queue_side
from pipeline_triggers.operations.doctor.deployment import Resource
from pipeline_triggers.operations.doctor.finding import Finding, command
from pipeline_triggers.operations.doctor.template import Template, same, same_policy
from pipeline_triggers.operations.stacks import Stack

TOPIC = "arn:aws:sns:eu-central-1:123456789012:others"


def deployment(**answers: Any) -> Any:
    """Return a deployment of which AWS answers this."""
    stack = Stack("s", {}, {"OnEventLogGroup": "/logs/on-event"})
    resources = answers.pop("resources", {})
    return SimpleNamespace(stack=stack, resources=lambda kind: iter(resources.get(kind, ())), **answers)


def test_an_unconfirmed_subscription_is_made_again() -> None:
    """SNS has no other command for that."""
    expected = {"TopicArn": TOPIC, "Endpoint": "arn:aws:sqs:eu-central-1:123456789012:queue"}
    attributes = {"PendingConfirmation": "true", "SubscriptionArn": f"{TOPIC}:1"}
    unconfirmed = deployment(subscriptions=[(Resource("Sub", f"{TOPIC}:1", expected), attributes)])
    ((message, fix),) = events_side.subscription_is_changed(unconfirmed)
    assert message == f"the subscription to {TOPIC} is unconfirmed"
    assert fix.startswith(f"aws sns subscribe --topic-arn {TOPIC} --protocol sqs --notification-endpoint arn:aws:sqs")


@pytest.mark.parametrize(("count", "is_reported"), [(95_999, False), (96_000, True)])
def test_a_nearly_full_queue_is_reported(count: int, is_reported: bool) -> None:
    """From four fifths of the messages that SQS allows in flight."""
    queue = Resource("OnEventQueue", "https://sqs/on-event", {})
    full = deployment(
        resources={"AWS::SQS::Queue": [queue]},
        queues={queue.id: {"ApproximateNumberOfMessagesNotVisible": str(count)}},
    )
    assert [message for message, _ in queue_side.queue_is_full(full)] == (
        [f"{count} messages of queue OnEventQueue are in flight, of 120000 that SQS allows"] if is_reported else []
    )


def test_a_function_that_could_not_be_updated_is_reported() -> None:
    """It does not run, or not with what was deployed."""
    expected = {"Environment": {"Variables": {}}, "Layers": []}
    live = {"LastUpdateStatus": "Failed", "StateReason": "the key is disabled"}
    broken = deployment(functions=[(Resource("OnEventFunction", "on-event", expected), live)])
    assert list(queue_side.function_is_changed(broken)) == [
        ("function on-event can't run: the key is disabled", "make deploy")
    ]


@pytest.mark.parametrize(("metric", "message"), [("Errors", "failed"), ("Throttles", "was throttled")])
def test_a_failing_or_throttled_function_is_reported(metric: str, message: str) -> None:
    """With the command that shows its log."""
    function = Resource("OnEventFunction", "on-event", {})
    failing = deployment(
        functions=[(function, {})],
        metric=lambda name, functions, *_: dict.fromkeys(functions, 3.0 if name == metric else 0.0),
    )
    assert list(queue_side.function_is_failing(failing)) == [
        (f"function on-event {message} 3 times in the last 15 minutes", "aws logs tail /logs/on-event --since 15m")
    ]


def schedule(expression: str, end: datetime | None) -> Any:
    """Return a deployment with one schedule."""
    expected = {"ScheduleExpression": expression, "Description": "team/nightly: of the day before"}
    live = {"EndDate": end} if end else {}
    return deployment(schedules=[Resource("Nightly", "nightly", expected)], existing_schedules={"nightly": live})


def test_a_schedule_that_is_over_is_reported() -> None:
    """By its end, or because its one time has passed; others are not."""
    now = datetime.now(UTC)
    ended = schedule("rate(1 day)", now - timedelta(days=1))
    ((message, _),) = events_side.schedule_is_over(ended)
    assert message == f"schedule nightly of team/nightly is over since {now - timedelta(days=1):%Y-%m-%d %H:%M}"
    ((message, _),) = events_side.schedule_is_over(schedule("at(2020-01-01T00:00:00)", None))
    assert message == "schedule nightly of team/nightly was due once, at 2020-01-01T00:00:00"
    for goes_on in (schedule("rate(1 day)", now + timedelta(days=1)), schedule("at(2199-01-01T00:00:00)", None)):
        assert list(events_side.schedule_is_over(goes_on)) == []


def trigger(name: str, pipeline: str) -> Trigger:
    """Return a trigger that starts a pipeline."""
    return Trigger(name, When("schedule", {}), (Start(pipeline, {}),))


def test_a_pipeline_of_two_owners_needs_limits() -> None:
    """Their runs may meet; with limits they can't."""
    triggers = [trigger("churn/nightly", "shared"), trigger("sales/nightly", "shared"), trigger("sales/other", "own")]
    ((message, _),) = pipeline_side.two_owners_start_it(deployment(triggers=triggers, limits={}))
    assert message == "churn and sales both start shared, without limits: their runs may meet"
    limited = deployment(triggers=triggers, limits={"shared": Limits(max_running=1)})
    assert list(pipeline_side.two_owners_start_it(limited)) == []


def test_a_pipeline_that_is_being_deleted_is_reported() -> None:
    """It starts nothing any more."""
    deleting = deployment(
        triggers=[trigger("churn/nightly", "old")], pipelines={("old", None): {"PipelineStatus": "Deleting"}}
    )
    ((message, _),) = pipeline_side.pipeline_is_gone(deleting)
    assert message == "pipeline old is being deleted; churn/nightly starts it"


def refused(code: str, message: str) -> ClientError:
    """Return an answer of AWS that refuses."""
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    return ClientError(response, "ListRules")


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (
            refused("AccessDeniedException", "x is not authorized to perform: events:ListRules on resource: *"),
            "needs events:ListRules",
        ),
        (refused("AccessDenied", "Access Denied"), "needs permission to call ListRules"),
        (
            refused("InternalError", "later"),
            "AWS refuses: An error occurred (InternalError) when calling the ListRules operation: later",
        ),
    ],
)
def test_what_could_not_be_looked_at_comes_last(
    monkeypatch: pytest.MonkeyPatch, error: ClientError, missing: str
) -> None:
    """With the permission that the operator lacks; the other checks go on."""

    def refuses(_: Any) -> Iterator[tuple[str, str]]:
        raise error

    table = {"first": refuses, "second": lambda _: iter([("it is broken", "fix it")]), "third": refuses}
    monkeypatch.setattr(checks, "CHECKS", table)
    assert list(checks.examine(deployment())) == [
        Finding("second", "it is broken", "fix it"),
        Finding("not looked at", "first, third", missing, seen=False),
    ]


def test_a_template_is_evaluated() -> None:
    """CloudFormation's functions as the templates here use them."""
    body = {
        "Mappings": {"Stages": {"dev": {"Bucket": "raw"}}},
        "Conditions": {"HasKey": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Key"}, ""]}]}},
        "Resources": {
            "Queue": {
                "Type": "AWS::SQS::Queue",
                "Properties": {"Key": {"Fn::If": ["HasKey", {"Ref": "Key"}, NOTHING]}},
            },
            "Role": {"Type": "AWS::IAM::Role", "Properties": {}},
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "Bucket": {"Fn::FindInMap": ["Stages", {"Ref": "Stage"}, "Bucket"]},
                    "Queue": {"Fn::GetAtt": ["Queue", "Arn"]},
                    "Role": {"Fn::Sub": "${Role.Arn} in ${AWS::Region}"},
                    "Text": {"Fn::Sub": ["${Name}-${Stage}", {"Name": {"Ref": "Role"}}]},
                    "List": [{"Ref": "AWS::NoValue"}, {"Ref": "AWS::StackName"}],
                },
            },
        },
    }
    resources = {"Queue": "https://sqs.eu-central-1.amazonaws.com/123456789012/q", "Role": "r", "Rule": "rule"}
    stack = Stack("s", {"Stage": "dev", "Key": ""}, resources)
    template = Template(stack, body, Home("aws", "123456789012", "eu-central-1"))
    assert list(template.resources("AWS::SQS::Queue")) == [("Queue", {})]
    assert list(template.resources("AWS::Events::Rule")) == [
        (
            "Rule",
            {
                "Bucket": "raw",
                "Queue": "arn:aws:sqs:eu-central-1:123456789012:q",
                "Role": "arn:aws:iam::123456789012:role/r in eu-central-1",
                "Text": "r-dev",
                "List": ["s"],
            },
        )
    ]


NOTHING = {"Ref": "AWS::NoValue"}


def test_values_are_compared_as_aws_keeps_them() -> None:
    """Numbers and truth values may be text; lists of a policy have no order, and those of a pattern have one."""
    assert same({"exists": False, "n": [1]}, {"exists": "false", "n": ["1"]})
    assert not same(["a", "b"], ["b", "a"])
    assert same_policy({"Action": ["b", "a"], "Resource": ["x"]}, {"Action": ["a", "b"], "Resource": "x"})
    assert not same_policy({"Action": ["a"]}, {"Action": ["a", "b"]})


def test_commands_are_quoted_for_a_shell() -> None:
    """Texts as they are, everything else as JSON."""
    pattern = json.dumps({"key": ["it's"]})
    assert command("events", "put-rule", name="a b", event_pattern=pattern, ids=["x"], enabled=True) == (
        """aws events put-rule --name 'a b' --event-pattern '{"key": ["it'"'"'s"]}' --ids '["x"]' --enabled"""
    )
