"""What the messages of an SQS batch came to → the records of their verdicts, all of them in one call where they fit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline_triggers.delivery.decision import Delivery
from pipeline_triggers.history import notices, table
from pipeline_triggers.history.record import Record, is_recorded, timestamp
from pipeline_triggers.models import Verdict


@dataclass(frozen=True, slots=True)
class Ended:
    """A delivery that ended its message, with the message's final verdicts."""

    delivery: Delivery
    verdicts: Sequence[Verdict]

    @property
    def is_recorded(self) -> bool:
        """Whether a verdict of the message gets a record."""
        return any(map(is_recorded, self.verdicts))

    def records(self) -> Iterator[Record]:
        """Return the records: another delivery of the message gives them the same ids."""
        sent_at, message = timestamp(self.delivery.sent_at), self.delivery.message
        for position, verdict in enumerate(self.verdicts):
            if is_recorded(verdict):
                yield Record(verdict, timestamp(time.time()), f"{sent_at}#{message}#{position:02}")


def record(ended: Sequence[Ended]) -> None:
    """Record the verdicts of messages, and put those on the stack's bus that a person has to know.

    Raises:
        Waiting: there is no time for it, or AWS does not take all of them now.
        botocore.exceptions.ClientError, BotoCoreError: a request failed.

    """
    if records := [record for one in ended for record in one.records()]:
        table.connected().write(records, ended[0].delivery.remaining)
        notices.announce(record.verdict for record in records)
