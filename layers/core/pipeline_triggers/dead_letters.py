"""Rejected messages → the handler's dead-letter queue, each with its reason as far as SQS takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline_triggers import aws
from pipeline_triggers.models import Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.text import printable

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef

MAX_MESSAGE_BYTES = 1_048_576  # SQS: the body, and the name, type and value of each attribute
MAX_ATTRIBUTE_BYTES = 1000

_TYPE = "String"


def quarantine(body: str, rejections: Sequence[Verdict]) -> None:
    """Send a message to the dead-letter queue as it came, with the reason of its rejections."""
    reason = "; ".join(filter(None, (rejection.reason for rejection in rejections)))
    send(body, reason=reason, event_id=rejections[0].event_id, trigger=rejections[0].trigger)


def send(body: str, **attributes: str) -> None:
    """Send a message to the dead-letter queue with these attributes, the most important one first.

    A body that leaves no room for them goes without: the log has the reason.
    """
    aws.sqs().send_message(
        QueueUrl=settings().dead_letter_queue_url,
        MessageBody=body,
        MessageAttributes=_fitting(attributes, MAX_MESSAGE_BYTES - len(body.encode())),
    )


def _fitting(values: Mapping[str, str], room: int) -> dict[str, MessageAttributeValueTypeDef]:
    """Return those attributes for which there is room, in bytes, each cut to its share of what is left."""
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    for left, (name, value) in zip(range(len(values), 0, -1), values.items(), strict=True):
        share = min(MAX_ATTRIBUTE_BYTES, room // left - len(name) - len(_TYPE))
        text = printable(value).encode()[: max(0, share)].decode(errors="ignore")
        if text:
            attributes[name] = {"DataType": _TYPE, "StringValue": text}
            room -= len(name) + len(_TYPE) + len(text.encode())
    return attributes
