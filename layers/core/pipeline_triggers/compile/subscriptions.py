"""SNS subscriptions of the queue: to the stack's own topic, and to each other topic once, as SNS allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pipeline_triggers.compile.cloudformation import Intrinsic, Resource, logical_id, stage_text
from pipeline_triggers.language import sources
from pipeline_triggers.models import Trigger

_QUEUE_POLICY = "OnSnsMessageQueuePolicy"


def subscriptions(triggers: Iterable[Trigger], policies: list[str]) -> dict[str, Resource]:
    """Return the subscriptions of some triggers, each made after the policies, and the queue's own policy."""
    users = {topic: trigger for trigger in triggers if trigger.enabled and (topic := sources.topic(trigger.when))}
    own: Intrinsic = {"Ref": "RequestsTopicArn"}
    # SNS does not repeat what a queue denies, so the queue's policy comes first.
    before = [_QUEUE_POLICY, *policies]
    others = {
        logical_id(topic.rpartition(":")[2], "Subscription", of=topic): _subscription(
            stage_text(topic), before, _filter(trigger)
        )
        for topic, trigger in users.items()
    }
    return {
        _QUEUE_POLICY: _queue_policy([own, *map(stage_text, users)]),
        "RequestsSubscription": _subscription(own, before, {}),
        **others,
    }


def _subscription(topic: str | Intrinsic, before: list[str], filter_policy: dict[str, Any]) -> Resource:
    return {
        "Type": "AWS::SNS::Subscription",
        "DependsOn": before,
        "Properties": {
            "TopicArn": topic,
            "Protocol": "sqs",
            "Endpoint": {"Ref": "OnSnsMessageQueueArn"},
            "RedrivePolicy": {"deadLetterTargetArn": {"Ref": "OnSnsMessageDeadLetterQueueArn"}},
            **filter_policy,
        },
    }


def _filter(trigger: Trigger) -> dict[str, Any]:
    if (topic_filter := sources.topic_filter(trigger.when)) is None:
        return {}
    scope, policy = topic_filter
    return {"FilterPolicyScope": scope, "FilterPolicy": sources.written(policy, stage_text)}


def _queue_policy(topics: list[str | Intrinsic]) -> Resource:
    """Let exactly these topics send: any other sender could pretend that its message came by one of these."""
    arns = [{"Ref": "OnSnsMessageQueueArn"}, {"Ref": "OnSnsMessageDeadLetterQueueArn"}]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arns,
        "Condition": {"ArnEquals": {"aws:SourceArn": topics}},
    }
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": arns,
        "Condition": {"Bool": {"aws:SecureTransport": False}},
    }
    return {
        "Type": "AWS::SQS::QueuePolicy",
        "Properties": {
            "Queues": [{"Ref": "OnSnsMessageQueueUrl"}, {"Ref": "OnSnsMessageDeadLetterQueueUrl"}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [allowed, denied]},
        },
    }
