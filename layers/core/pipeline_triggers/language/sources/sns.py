"""``when: {sns: …}``: messages of SNS topics. They come by subscription, without a rule."""

from __future__ import annotations

import re

from pipeline_triggers.language.sources.source import Field, Fields, Pattern, Source
from pipeline_triggers.models import When
from pipeline_triggers.text import brief

_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}")


def topic_problem(arn: str) -> str | None:
    """Say what is wrong with the ARN of a topic, or None."""
    if _TOPIC.fullmatch(arn):
        return None
    remedy = "write its ARN, as in arn:aws:sns:eu-central-1:123456789012:alarms"
    return f"{brief(arn)} is not a standard topic; {remedy}"


def topic(when: When) -> str | None:
    """Return the ARN of the topic that a trigger subscribes to, or None: the stack's own topic needs no ARN."""
    return when.fields.get("topic") if when.source == "sns" else None


def takes_requests(when: When) -> bool:
    """Whether a trigger is started by publishers' requests on the stack's own topic."""
    return when.source == "sns" and "topic" not in when.fields


def topic_filter(when: When) -> tuple[str, Pattern] | None:
    """Return the scope and the filter policy of a trigger's subscription, if it has one."""
    for scope, name in (("MessageAttributes", "attributes"), ("MessageBody", "body")):
        if when.source == "sns" and name in when.fields:
            return scope, when.fields[name]
    return None


def _sample(fields: Fields) -> str:
    return "sns_topic" if "topic" in fields else "sns"


_FILTER_POLICY = {"type": "object", "minProperties": 1, "maxProperties": 5}

SOURCE = Source(
    name="sns",
    description="A message was published to an SNS topic.",
    handler="OnSnsMessage",
    fields={
        "topic": Field(
            "The ARN of a topic to subscribe to. The stack's own topic for publishers when left out.",
            problem=topic_problem,
        ),
        "attributes": Field(
            "With topic: a filter policy for the message attributes, as SNS writes it; for a topic that one trigger"
            " uses.",
            schema=_FILTER_POLICY,
        ),
        "body": Field(
            "With topic: a filter policy for the message's body, as SNS writes it; for a topic that one trigger uses.",
            schema=_FILTER_POLICY,
        ),
    },
    sample=_sample,
    places={
        "text": "Message",
        "subject": "Subject",
        "trigger": "Message.trigger",
        "pipeline": "Message.pipeline",
        "parameters": "Message.parameters",
        "dedupe": "Message.dedupe",
        "topic": "TopicArn",
    },
)
