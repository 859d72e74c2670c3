"""The stack's resources as batches use them: the queue, the dead-letter queue, the bucket, the log."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.batches import items
from pipeline_triggers.batches.models import Turn
from pipeline_triggers.batches.services import Notice
from pipeline_triggers.dead_letters import quarantine
from pipeline_triggers.errors import Waiting
from pipeline_triggers.history import notices, table
from pipeline_triggers.history.record import Record, is_recorded, timestamp
from pipeline_triggers.models import Outcome, Trigger, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import deployed
from pipeline_triggers.telemetry import count_missed, report, report_waiting

MAX_MESSAGES = 10  # of one call; SQS


class Resources:
    """What the function's environment names; ``triggers`` are the deployed ones by every id that they had."""

    def __init__(self, triggers: Mapping[str, Trigger]) -> None:
        self._triggers = triggers

    def send(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Put messages into the queue of ``on_batch``.

        Raises:
            Waiting: SQS does not take one of them now.

        """
        for first in range(0, len(messages), MAX_MESSAGES):
            entries: list[Any] = [
                {"Id": str(number), "MessageBody": json.dumps(message)}
                for number, message in enumerate(messages[first : first + MAX_MESSAGES])
            ]
            response = aws.sqs().send_message_batch(QueueUrl=settings().batch_queue_url, Entries=entries)
            if failed := response.get("Failed"):
                raise Waiting(f"SQS does not take {len(failed)} messages now: {failed[0]['Code']}")

    def send_dead_letter(self, turn: Turn) -> None:
        """Put a rejected start into the dead-letter queue; sent back to the queue, it waits for its turn again."""
        ticket = turn.ticket
        pipeline = ticket.target.pipeline
        trigger = self._id(ticket.trigger)
        rejection = Verdict(Outcome.REJECTED, trigger, ticket.batch, pipeline=pipeline, reason=turn.reason)
        quarantine(dump(turn), [rejection])

    def put(self, key: str, content: bytes) -> str:
        """Write an object into the bucket of manifests, and return its URI."""
        bucket = deployed.manifest_bucket()
        aws.s3().put_object(Bucket=bucket, Key=key, Body=content)
        return f"s3://{bucket}/{key}"

    def report(self, notice: Notice) -> None:
        """Record a verdict or a notice, write it into the log, and count it.

        What can't be recorded is not reported either: the step that leads to it is done again.
        """
        verdict = Verdict(
            Outcome(notice.outcome),
            self._id(notice.trigger),
            notice.batch,
            subject=notice.by or None,
            pipeline=notice.pipeline or None,
            reason=notice.reason or None,
            execution_arn=notice.execution or None,
            batch=notice.batch or None,
            count=notice.count or None,
            parameters=notice.parameters or None,
        )
        if is_recorded(verdict):
            # Without a look at the time: what is killed here is done again, too.
            table.connected().write([Record(verdict, timestamp(time.time()), notice.id)])
            notices.announce([verdict])
        if verdict.outcome is Outcome.MISSED:
            count_missed()
        report(verdict, deployed=verdict.trigger in self._triggers)

    def _id(self, name: str) -> str:
        """Return what a trigger is called now; tables know it by its first name."""
        return self._triggers[name].id if name in self._triggers else name

    def report_age(self, seconds: float) -> None:
        """Report for how long the first start in a pipeline's queue has waited; an alarm watches the oldest."""
        report_waiting(seconds / 3600)


def dump(turn: Turn) -> str:
    """Return the message that puts a rejected start into its queue again."""
    return json.dumps({"ticket": items.of_ticket(turn.ticket)})
