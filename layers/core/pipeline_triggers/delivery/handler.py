"""A queue message → a verdict for each pipeline that it concerns. Every handler goes this way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws, sqs
from pipeline_triggers.batches.connection import connected
from pipeline_triggers.dead_letters import quarantine
from pipeline_triggers.delivery import attempts, collecting, recording
from pipeline_triggers.delivery.attempts import NONE, Attempts
from pipeline_triggers.delivery.decision import Decision, Delivery, Read, decide, is_transient
from pipeline_triggers.delivery.recording import Ended
from pipeline_triggers.errors import Waiting
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.sqs import Failures, Message
from pipeline_triggers.starts import deployed
from pipeline_triggers.telemetry import logger, report

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Seconds that a message waits: twice as long each time, up to the most.
FIRST_WAIT, LONGEST_WAIT = 30, 900

MAX_NOTES = 3  # calls to note the end of a delivery, each with botocore's own retries


def handle(batch: dict[str, Any], context: LambdaContext, read: Read) -> Failures:
    """Handle an SQS batch; ``read`` reads the handler's kind of message. Only failed messages come back."""

    def remaining() -> float:
        return context.get_remaining_time_in_millis() / 1000

    messages = _Messages(read)
    for message in sqs.messages(batch):
        messages.begin(_delivery(message, remaining))
    messages.collect()
    messages.record()
    return sqs.failures(messages.failed)


def _delivery(message: Message, remaining: Callable[[], float]) -> Delivery:
    return Delivery(
        message=message.id,
        body=message.body,
        receipt=message.receipt,
        receives=message.receives,
        sent_at=message.sent_at,
        age=time.time() - message.sent_at,
        remaining=remaining,
    )


class _Messages:
    """The messages of an SQS batch: each is decided and ended by itself, but what is collected joins together.

    One that crashed a function before comes last and joins alone, so that it costs the others no crash.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._joining: list[Decision] = []
        self._suspects: list[Delivery] = []
        self._ended: list[Ended] = []
        self.failed: list[str] = []

    def begin(self, delivery: Delivery) -> None:
        """Process a message as far as that is possible without the others."""
        self._attempt(delivery, partial(self._begin, delivery))

    def collect(self) -> None:
        """Join what is collected, and end the messages that brought it."""
        if self._joining:
            collecting.collect(self._joining, connected(self._joining[0].delivery.time_left))
        for decision in self._joining:
            self._attempt(decision.delivery, partial(self._end, decision))
        for delivery in self._suspects:
            self._attempt(delivery, partial(self._process_alone, delivery))

    def record(self) -> None:
        """Record what the messages came to; what can't be recorded comes back, unless it is too old to wait."""
        try:
            recording.record(self._ended)
        except Exception:
            logger.exception("verdicts not recorded")
            for ended in self._ended:
                if ended.is_recorded and not ended.delivery.is_too_old:
                    self.failed.append(ended.delivery.message)
                    _hide(ended.delivery)

    def _attempt(self, delivery: Delivery, step: Callable[[], None]) -> None:
        """Carry out a step; whatever is raised, SQS delivers the message again."""
        logger.append_keys(message_id=delivery.message, trigger=None, event_id=None)
        try:
            step()
        except Exception as error:
            self.failed.append(delivery.message)
            if not isinstance(error, Waiting):
                logger.exception("will be retried")
            if is_transient(error):
                _hide(delivery)

    def _begin(self, delivery: Delivery) -> None:
        # Nothing is begun, and no crash counted, without the time to end it, or while the table can't be asked.
        delivery.need_time()
        before = _unless_too_old(delivery, attempts.read) or NONE
        if before.verdicts:
            _report(before.verdicts, deployed.triggers())
            self._ended.append(Ended(delivery, before.verdicts))
        elif before.crashes:
            self._suspects.append(replace(delivery, before=before))
        else:
            decision = _decided(replace(delivery, before=before), self._read)
            if decision.collecting:
                self._joining.append(decision)
            else:
                self._end(decision)

    def _process_alone(self, delivery: Delivery) -> None:
        delivery.need_time()
        decision = _decided(delivery, self._read)
        collecting.collect([decision], connected(delivery.time_left))
        self._end(decision)

    def _end(self, decision: Decision) -> None:
        _end(decision)
        self._ended.append(Ended(decision.delivery, decision.verdicts))


def _decided(delivery: Delivery, read: Read) -> Decision:
    """Decide a message, all but what is to be collected; note how the delivery ends if that fails."""
    try:
        _unless_too_old(delivery, attempts.begin)
        return decide(delivery, read, deployed.triggers)
    except Exception as error:
        _note_end(attempts.waits if is_transient(error) else attempts.failed, delivery)
        raise


def _end(decision: Decision) -> None:
    """Carry a decision out; note how the delivery ends if that fails."""
    try:
        _carry_out(decision)
    except Exception as error:
        _note_end(attempts.waits if is_transient(error) else attempts.failed, decision.delivery)
        raise


def _carry_out(decision: Decision) -> None:
    """Report the verdicts: none final while one has to wait, and none before a rejected message is safe."""
    delivery = decision.delivery
    if decision.failures:
        raise decision.failures[0]
    if waiting := [verdict for verdict in decision.verdicts if not verdict.is_final]:
        _report(waiting, decision.deployed)
        raise Waiting("not every start of the message succeeded")
    rejections = decision.of(Outcome.REJECTED)
    if rejections:
        quarantine(delivery.body, rejections)
    if rejections or not delivery.is_first or decision.depends_on_lookups:
        _unless_too_old(delivery, partial(attempts.decided, verdicts=decision.verdicts))
    _report(decision.verdicts, decision.deployed)


def _report(verdicts: Iterable[Verdict], deployed: Container[str]) -> None:
    for verdict in verdicts:
        report(verdict, deployed=verdict.trigger in deployed)


def _unless_too_old(delivery: Delivery, call: Callable[[str, int], Attempts | None]) -> Attempts | None:
    """Ask the table of what it knows of a message, or tell it; a message that is too old does not wait for that."""
    try:
        return call(delivery.message, delivery.receives)
    except (BotoCoreError, ClientError):
        if not delivery.is_too_old:
            raise
        logger.exception("the state table can't be reached; the message is too old to wait")
        return None


def _note_end(note: Callable[[str, int], None], delivery: Delivery) -> None:
    """Note that a delivery ended in order, as hard as there is time for: what is not noted counts as a crash."""
    for _ in range(MAX_NOTES):
        try:
            return note(delivery.message, delivery.receives)
        except (BotoCoreError, ClientError):
            logger.exception("the end of the delivery was not recorded")
        if delivery.remaining() < 2 * aws.LONGEST_QUICK_CALL:
            return None
    return None


def _hide(delivery: Delivery) -> None:
    """Let SQS deliver the message again after a while; without time for that, after the visibility time-out."""
    if delivery.remaining() < aws.LONGEST_QUICK_CALL:
        return
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(delivery.receives - 1, 10))
    try:
        aws.sqs().change_message_visibility(
            QueueUrl=settings().queue_url,
            ReceiptHandle=delivery.receipt,
            # Jitter, so that they do not all return at once.
            VisibilityTimeout=random.randint(longest // 2, longest),  # noqa: S311 - no secret
        )
    except (BotoCoreError, ClientError):
        logger.exception("not hidden; SQS delivers it after the visibility time-out")
