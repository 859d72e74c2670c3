"""A batch of SQS messages as Lambda hands it over: each is processed by itself, and only failed ones come back.

Powertools' batch utility does the same, but it imports asyncio and a class for each kind of event that AWS has, which
takes longer than importing all of this library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Lambda's name for what comes back: {"batchItemFailures": [{"itemIdentifier": a message's id}, …]}
Failures = dict[str, list[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as SQS delivers it for the ``receives``-th time; ``sent_at`` is a Unix time."""

    id: str
    body: str
    receipt: str
    receives: int
    sent_at: float


def messages(batch: Mapping[str, Any]) -> list[Message]:
    """Return the messages of a batch."""
    return [
        Message(
            id=record["messageId"],
            body=record["body"],
            receipt=record["receiptHandle"],
            receives=int(record["attributes"]["ApproximateReceiveCount"]),
            sent_at=int(record["attributes"]["SentTimestamp"]) / 1000,
        )
        for record in batch["Records"]
    ]


def failures(ids: Iterable[str]) -> Failures:
    """Return what a function answers when these messages have failed."""
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in ids]}


def process_each(batch: Mapping[str, Any], process: Callable[[Message], None]) -> Failures:
    """Process each message of a batch; those for which ``process`` raises, having logged why, have failed."""
    failed = []
    for message in messages(batch):
        try:
            process(message)
        except Exception:
            failed.append(message.id)
    return failures(failed)
