"""Dead-letter queues: what is in them, and how it gets back to the handlers' queues after a fix.

SQS's own redrive refuses messages that were sent straight to a dead-letter queue, and can't choose among them. When
a redrive is interrupted between sending a message and deleting it, the next one sends it again: the ledger knows what
started.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.operations.stacks import Stack

# How long a message that was received stays hidden; those that stay in the queue become visible again at the end.
HIDDEN = 3600  # seconds

# With a wait, SQS asks all of its servers, so that no message there means no message anywhere.
WAIT = 1  # seconds

_QUEUE, _DEAD_LETTER_QUEUE = "Queue", "DeadLetterQueue"

# What Scheduler fills in, and the attribute of its dead letter that holds the value.
_SCHEDULED = {
    "<aws.scheduler.scheduled-time>": "SCHEDULED_TIME",
    "<aws.scheduler.execution-id>": "EXECUTION_ID",
    "<aws.scheduler.schedule-arn>": "SCHEDULE_ARN",
    "<aws.scheduler.attempt-number>": "RETRY_ATTEMPTS",
}


@dataclass(frozen=True, slots=True)
class Contents:
    """A message: its id, when it was sent, and what it is about; ``event_id`` and ``subject`` are "" where unknown."""

    id: str
    sent_at: datetime
    event_id: str
    subject: str
    body: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of a dead-letter queue; ``trigger`` and ``reason`` are "" when it does not say them.

    ``left`` says why it stays there; with "" it is sent to its handler's queue. Messages that say the same are equal,
    whatever their ``contents``.
    """

    handler: str
    trigger: str
    reason: str
    left: str = ""
    contents: Contents | None = field(default=None, compare=False)


def waiting(stack: Stack) -> int:
    """Return about how many messages are in the stack's dead-letter queues."""
    answers = (
        aws.sqs().get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        for _, dead, _ in _queues(stack)
    )
    return sum(int(answer["Attributes"]["ApproximateNumberOfMessages"]) for answer in answers)


def redrive(stack: Stack, matches: Callable[[DeadLetter], bool], *, dry_run: bool) -> Iterator[DeadLetter]:
    """Send the matching messages of all dead-letter queues to their handlers, and give each of them.

    The others stay, and so does what arrives (or comes back) while this runs. A dry run sends nothing.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: a request to AWS failed.

    """

    def send(letter: DeadLetter, body: str, queue: str) -> DeadLetter:
        return letter if letter.left else _sent(letter, body, queue)

    return take(stack, matches, None if dry_run else send)


def take(
    stack: Stack, matches: Callable[[DeadLetter], bool], act: Callable[[DeadLetter, str, str], DeadLetter] | None = None
) -> Iterator[DeadLetter]:
    """Give the matching messages of all dead-letter queues, and delete those with which ``act`` has dealt.

    ``act`` gets the message, its body as its handler reads it, and the handler's queue; what it returns with a reason
    to be ``left`` stays. So do all without an ``act``, and those that arrive meanwhile.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: a request to AWS failed.

    """
    for handler, dead, queue in _queues(stack):
        began = time.time()
        staying: list[str] = []
        try:
            for message in _received(dead):
                letter, body = _read(handler, message)
                if not matches(letter):
                    staying.append(message["ReceiptHandle"])
                    continue
                if int(message["Attributes"]["SentTimestamp"]) / 1000 > began:
                    letter = replace(letter, left="it arrived while this ran; run this again")
                elif act:
                    letter = act(letter, body, queue)
                if letter.left or not act:
                    staying.append(message["ReceiptHandle"])
                else:
                    aws.sqs().delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
                yield letter
        finally:
            _show_again(dead, staying)


def _show_again(queue: str, receipts: list[str]) -> None:
    """Make messages visible before their time is over; those that already are have receipts without a use."""
    for receipt in receipts:
        with suppress(ClientError):
            aws.sqs().change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt, VisibilityTimeout=0)


def _sent(letter: DeadLetter, body: str, queue: str) -> DeadLetter:
    """Send a message to its handler; one that SQS refuses stays, and stops no other."""
    try:
        aws.sqs().send_message(QueueUrl=queue, MessageBody=body)
    except ClientError as error:
        if aws.is_transient(error) or error.response["Error"]["Code"] == "AccessDenied":
            raise
        return replace(letter, left=aws.refusal(error))
    return letter


def _queues(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield each handler with its dead-letter queue and its queue."""
    for name, url in stack.resources.items():
        handler = name.removesuffix(_DEAD_LETTER_QUEUE)
        if handler != name:
            yield handler, url, stack.resources[handler + _QUEUE]


def _received(queue: str) -> Iterator[Mapping[str, Any]]:
    while messages := (
        aws.sqs()
        .receive_message(
            QueueUrl=queue,
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN,
            WaitTimeSeconds=WAIT,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        .get("Messages")
    ):
        yield from messages


def _read(handler: str, message: Mapping[str, Any]) -> tuple[DeadLetter, str]:
    """Return what a dead message is, and the body that its handler reads."""
    attributes = {
        name: attribute.get("StringValue", "") for name, attribute in message.get("MessageAttributes", {}).items()
    }
    body: str = message["Body"]
    errors = (attributes[name] for name in ("ERROR_CODE", "ERROR_MESSAGE") if name in attributes)
    reason = attributes.get("reason") or ": ".join(errors)
    left = ""
    try:
        body = _as_delivered(body, attributes)
    except Rejected as error:
        left = str(error)
    trigger = attributes.get("trigger", "")
    trigger = _trigger(body) if trigger in ("", "unknown") else trigger
    return DeadLetter(handler, trigger, reason, left, _contents(message, attributes)), body


def _contents(message: Mapping[str, Any], attributes: Mapping[str, str]) -> Contents:
    sent_at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    event_id, subject = _about(message["Body"])
    return Contents(
        id=message["MessageId"],
        sent_at=sent_at,
        event_id=attributes.get("event_id") or event_id,
        subject=subject,
        body=message["Body"],
        attributes=attributes,
    )


def _about(body: str) -> tuple[str, str]:
    """Return the id of the event in a message, and what it is about: an object, a resource, a topic, or a batch."""
    try:
        read: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    match read:
        case {"event": {"detail": {"bucket": {"name": bucket}, "object": {"key": key}}, **event}}:
            return str(event.get("id", "")), f"s3://{bucket}/{key}"
        case {"event": {"id": event_id, "resources": [resource, *_]}}:
            return str(event_id), str(resource)
        case {"event": {"id": event_id, "detail-type": kind}}:
            return str(event_id), str(kind)
        case {"MessageId": message_id, "TopicArn": topic}:
            return str(message_id), str(topic)
        case {"batch": str(batch)}:
            return batch, batch
    return "", ""


def _as_delivered(body: str, attributes: Mapping[str, str]) -> str:
    """Return what a rule or a schedule would have delivered; handlers' own dead letters stay as they are.

    Raises:
        Rejected: that can't be known any more, or it was to start a pipeline without a handler.

    """
    target = attributes.get("TARGET_ARN", "")
    if ":sagemaker:" in target:
        raise Rejected(f"it was to start {target} directly, without a handler; start that pipeline yourself")
    if "RULE_ARN" in attributes:
        return _filled_in(attributes["RULE_ARN"], target, body)
    if "SCHEDULE_ARN" in attributes:
        for variable, name in _SCHEDULED.items():
            body = body.replace(variable, attributes.get(name, ""))
    return body


def _filled_in(rule: str, target: str, event: str) -> str:
    """Return a rule's input template with the event: EventBridge keeps the event, not the input made of it.

    Raises:
        Rejected: the rule is gone, can't be read, or delivers nothing to this target.

    """
    try:
        template = _templates(rule).get(target)
    except ClientError as error:
        if aws.is_transient(error):
            raise
        raise Rejected(f"{rule} could not be read, so its trigger is unknown: {aws.refusal(error)}") from error
    if template is None:
        raise Rejected(f"{rule} is gone, so its trigger is unknown; use triggers run with the event")
    return template.replace("<aws.events.event.json>", event)


@cache
def _templates(rule: str) -> dict[str, str]:
    """Return the input templates of a rule's targets, by the targets' ARNs; none when the rule is gone."""
    *bus, name = rule.partition(":rule/")[2].split("/")
    if not name:
        return {}
    try:
        answer = aws.events().list_targets_by_rule(Rule=name, EventBusName="/".join(bus) or "default")
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return {}
        raise
    return {
        target["Arn"]: target["InputTransformer"]["InputTemplate"]
        for target in answer["Targets"]
        if "InputTransformer" in target
    }


def _trigger(body: str) -> str:
    """Return the trigger that a message names, also in a publisher's request, or ""."""
    try:
        message = json.loads(body)
        request = json.loads(message["Message"]) if "Message" in message else message
        return str(request["trigger"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
