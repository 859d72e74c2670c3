"""Dead-letter queues → the handlers' queues, when what was wrong is mended.

SQS's own redrive refuses messages that were sent straight to a dead-letter queue, and can't choose among them. What is
sent and not deleted, because this broke off, is sent again the next time: the ledger knows what it has started.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.operations.stacks import Stack

# For how long a message that was looked at is hidden from the others; those that stay are shown again at the end.
HELD = 3600  # seconds

# Waiting asks all of SQS's servers, so that nothing there means nothing anywhere.
WAIT = 1  # seconds

_QUEUE, _DEAD_LETTER_QUEUE = "Queue", "DeadLetterQueue"

# What Scheduler puts into a message, and the attribute of a dead one that holds it.
_SCHEDULED = {
    "<aws.scheduler.scheduled-time>": "SCHEDULED_TIME",
    "<aws.scheduler.execution-id>": "EXECUTION_ID",
    "<aws.scheduler.schedule-arn>": "SCHEDULE_ARN",
    "<aws.scheduler.attempt-number>": "RETRY_ATTEMPTS",
}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message of a dead-letter queue; ``trigger`` and ``reason`` are "" where nobody noted them.

    ``left`` says why it stays where it is, "" that it is sent to its handler's queue.
    """

    handler: str
    trigger: str
    reason: str
    left: str = ""


def waiting(stack: Stack) -> int:
    """Return about how many messages are in the stack's dead-letter queues."""
    answers = (
        aws.sqs().get_queue_attributes(QueueUrl=dead, AttributeNames=["ApproximateNumberOfMessages"])
        for _, dead, _ in _queues(stack)
    )
    return sum(int(answer["Attributes"]["ApproximateNumberOfMessages"]) for answer in answers)


def redrive(stack: Stack, wanted: Callable[[DeadLetter], bool], *, dry_run: bool) -> Iterator[DeadLetter]:
    """Send what is wanted of all dead-letter queues to the handlers, and tell of each message that was looked at.

    What is not wanted stays, and so does what comes (or comes back) while this runs. A dry run sends nothing.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: the account can't be asked.

    """
    for handler, dead, queue in _queues(stack):
        began = time.time()
        staying: list[str] = []
        try:
            for message in _received(dead):
                letter, body = _read(handler, message)
                if int(message["Attributes"]["SentTimestamp"]) / 1000 > began:
                    letter = replace(letter, left="it came while this ran; run this again")
                if wanted(letter) and not letter.left and not dry_run:
                    letter = _sent(letter, body, queue)
                if letter.left or dry_run or not wanted(letter):
                    staying.append(message["ReceiptHandle"])
                else:
                    aws.sqs().delete_message(QueueUrl=dead, ReceiptHandle=message["ReceiptHandle"])
                if wanted(letter):
                    yield letter
        finally:
            for receipt in staying:
                with suppress(ClientError):  # it is shown again already
                    aws.sqs().change_message_visibility(QueueUrl=dead, ReceiptHandle=receipt, VisibilityTimeout=0)


def _sent(letter: DeadLetter, body: str, queue: str) -> DeadLetter:
    """Send a message to its handler; what SQS refuses stays, and holds up no other."""
    try:
        aws.sqs().send_message(QueueUrl=queue, MessageBody=body)
    except ClientError as error:
        if aws.passes(error) or error.response["Error"]["Code"] == "AccessDenied":
            raise
        return replace(letter, left=f"SQS did not take it: {error}")
    return letter


def _queues(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Return each handler with its dead-letter queue and its queue."""
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
            VisibilityTimeout=HELD,
            WaitTimeSeconds=WAIT,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["SentTimestamp"],
        )
        .get("Messages")
    ):
        yield from messages


def _read(handler: str, message: Mapping[str, Any]) -> tuple[DeadLetter, str]:
    """Return what a dead message is, and the body that its handler reads."""
    known = {name: attribute.get("StringValue", "") for name, attribute in message.get("MessageAttributes", {}).items()}
    body: str = message["Body"]
    reason = known.get("reason") or ": ".join(known[name] for name in ("ERROR_CODE", "ERROR_MESSAGE") if name in known)
    left = ""
    try:
        target = known.get("TARGET_ARN", "")
        if ":sagemaker:" in target:
            raise Rejected(f"it was to start {target} itself, past every handler; start that by hand")
        if "RULE_ARN" in known:
            body = _as_the_rule_sends(known["RULE_ARN"], target, body)
        elif "SCHEDULE_ARN" in known:
            for variable, name in _SCHEDULED.items():
                body = body.replace(variable, known.get(name, ""))
    except Rejected as error:
        left = str(error)
    trigger = known.get("trigger", "")
    return DeadLetter(handler, _trigger(body) if trigger in ("", "unknown") else trigger, reason, left), body


def _as_the_rule_sends(rule: str, target: str, event: str) -> str:
    """Return what a rule would have sent to a handler: EventBridge keeps the event, not what was made of it.

    Raises:
        Rejected: there is no such rule any more, or it sends no trigger's events there.

    """
    template = _templates(rule).get(target)
    if template is None:
        raise Rejected(f"{rule} is gone, so its trigger is not known; triggers run starts one with an event")
    return template.replace("<aws.events.event.json>", event)


@cache
def _templates(rule: str) -> dict[str, str]:
    """Return the input templates of a rule's targets, by the targets' ARNs."""
    *bus, name = rule.partition(":rule/")[2].split("/")
    try:
        answer = aws.events().list_targets_by_rule(Rule=name, EventBusName=bus[0] if bus else "default")
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
    """Return the trigger that a message names, in a publisher's request too, or ""."""
    try:
        read = json.loads(body)
        asked = json.loads(read["Message"]) if "Message" in read else read
        return str(asked["trigger"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
