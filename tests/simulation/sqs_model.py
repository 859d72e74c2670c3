"""A handler's queue and its dead-letter queue, in memory, as far as handlers and ``triggers redrive`` use them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.invocation import ENVIRONMENT, MOST_RECEIVES, RETENTION, VISIBILITY, record
from tests.simulation.network import Killed, refusal

QUEUE, DEAD_LETTER_QUEUE = ENVIRONMENT["QUEUE_URL"], ENVIRONMENT["DEAD_LETTER_QUEUE_URL"]
MAX_MESSAGE = 1_048_576  # bytes, with the names, types and values of its attributes


@dataclass
class Message:
    """A message in a queue, hidden until a moment."""

    body: str
    sent_at: float
    visible_at: float
    receives: int = 0
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Queues:
    """SQS: messages in the handler's queue, by id, and dead letters, by receipt."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.queue: dict[str, Message] = {}
        self.sent: dict[str, float] = {}  # when each message was sent that has ever been in the handler's queue
        self.hidden: list[int] = []  # for how long messages were hidden, in seconds
        self.dead: dict[str, Message] = {}
        self.quarantined: list[dict[str, Any]] = []  # all that a handler has ever put into the dead-letter queue
        self.moved: list[str] = []  # what SQS has moved there, received too often
        self.expired: list[str] = []  # what SQS has forgotten
        self.breaks_off = ""  # whoever deletes a dead letter: "before" or "after" that

    def send(self, body: str, delay: float = 0) -> str:
        """Put a message into the handler's queue, and return its id."""
        message = f"m{len(self.sent)}"
        self.queue[message] = Message(body, self._now(), self._now() + delay)
        self.sent[message] = self._now()
        return message

    def visible(self) -> list[str]:
        """Return the messages that can be received now."""
        return [message for message, held in self.queue.items() if held.visible_at <= self._now()]

    def next_visible_at(self) -> float:
        """Return when the next message can be received."""
        return min(held.visible_at for held in self.queue.values())

    def received(self, message: str) -> dict[str, Any] | None:
        """Hand a message out as a record; one that is too old, or was received too often, leaves the queue."""
        held = self.queue[message]
        too_old = self._now() - held.sent_at >= RETENTION
        if too_old or held.receives == MOST_RECEIVES:
            (self.expired if too_old else self.moved).append(message)
            del self.queue[message]
            return None
        held.receives += 1
        held.visible_at = self._now() + VISIBILITY
        return record(message, held.body, held.receives, held.sent_at)

    def done(self, message: str) -> None:
        """Delete a message, as Lambda does when its function is done with it."""
        self.queue.pop(message, None)

    # ruff: noqa: N803 - boto3's names

    def send_message(
        self, QueueUrl: str, MessageBody: str, MessageAttributes: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Take a message into either queue."""
        attributes = MessageAttributes or {}
        texts = [name + value["DataType"] + value["StringValue"] for name, value in attributes.items()]
        if len("".join([MessageBody, *texts]).encode()) > MAX_MESSAGE:
            raise refusal("InvalidParameterValue")("SendMessage")
        if QueueUrl == QUEUE:
            self.send(MessageBody)
        else:
            call = {"QueueUrl": QueueUrl, "MessageBody": MessageBody, "MessageAttributes": attributes}
            self.quarantined.append(call)
            letter = Message(MessageBody, self._now(), self._now(), attributes=attributes)
            self.dead[f"receipt {len(self.quarantined)}"] = letter
        return {}

    def receive_message(self, VisibilityTimeout: int, **_: Any) -> dict[str, Any]:
        """Show dead letters, and hide them for a while."""
        shown = [receipt for receipt, letter in self.dead.items() if letter.visible_at <= self._now()][:10]
        for receipt in shown:
            self.dead[receipt].visible_at = self._now() + VisibilityTimeout
        return {
            "Messages": [
                {
                    "MessageId": receipt,
                    "ReceiptHandle": receipt,
                    "Body": self.dead[receipt].body,
                    "MessageAttributes": self.dead[receipt].attributes,
                    "Attributes": {"SentTimestamp": str(int(self.dead[receipt].sent_at * 1000))},
                }
                for receipt in shown
            ]
        }

    def delete_message(self, ReceiptHandle: str, **_: str) -> dict[str, Any]:
        """Delete a dead letter."""
        if self.breaks_off == "before":
            raise Killed
        del self.dead[ReceiptHandle]
        if self.breaks_off == "after":
            raise Killed
        return {}

    def change_message_visibility(self, ReceiptHandle: str, VisibilityTimeout: int, **_: str) -> dict[str, Any]:
        """Hide a message or a dead letter for so long from now on."""
        self.hidden.append(VisibilityTimeout)
        held = self.dead.get(ReceiptHandle) or self.queue.get(ReceiptHandle.removeprefix("handle of "))
        if held:
            held.visible_at = self._now() + VisibilityTimeout
        return {}
