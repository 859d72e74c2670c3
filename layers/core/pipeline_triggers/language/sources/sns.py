"""``when: {sns: …}``: messages of SNS topics. They come by subscription, without a rule."""

from __future__ import annotations

from pipeline_triggers.language.sources.source import Field, Fields, Pattern, Source
from pipeline_triggers.models import When


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
)
