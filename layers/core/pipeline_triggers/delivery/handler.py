"""A queue message → a verdict for each pipeline that it concerns. Every handler goes this way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Container, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws
from pipeline_triggers.delivery import attempts
from pipeline_triggers.delivery.attempts import NONE, Attempts
from pipeline_triggers.delivery.decision import Decision, Delivery, Read, decide, is_transient
from pipeline_triggers.errors import Waiting
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.starts.dead_letters import quarantine
from pipeline_triggers.starts.deployed import triggers
from pipeline_triggers.telemetry import logger, report

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Seconds that a message waits: twice as long each time, up to the most.
FIRST_WAIT, LONGEST_WAIT = 30, 900

MAX_NOTES = 3  # calls to note the end of a delivery, each with botocore's own retries


def handle(batch: dict[str, Any], context: LambdaContext, read: Read) -> PartialItemFailureResponse:
    """Handle an SQS batch; ``read`` reads the handler's kind of message. Only failed messages come back."""

    def remaining() -> float:
        return context.get_remaining_time_in_millis() / 1000

    def process(record: SQSRecord) -> None:
        _deliver(_delivery(record, remaining), read)

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=batch, record_handler=process, processor=processor, context=context)


def _delivery(record: SQSRecord, remaining: Callable[[], float]) -> Delivery:
    return Delivery(
        message=record.message_id,
        body=record.body,
        receipt=record.receipt_handle,
        receives=int(record.attributes.approximate_receive_count),
        age=time.time() - int(record.attributes.sent_timestamp) / 1000,
        remaining=remaining,
    )


def _deliver(delivery: Delivery, read: Read) -> None:
    """Process a message; whatever is raised, SQS delivers it again."""
    logger.append_keys(message_id=delivery.message, trigger=None, event_id=None)
    try:
        # Nothing is begun, and no crash counted, without the time to end it, or while the table can't be asked.
        delivery.need_time()
        before = _unless_too_old(delivery, attempts.read) or NONE
        if before.verdicts:
            _report(before.verdicts, triggers())
        else:
            _process(replace(delivery, before=before), read)
    except Exception as error:
        if not isinstance(error, Waiting):
            logger.exception("will be retried")
        if is_transient(error):
            _hide(delivery)
        raise


def _process(delivery: Delivery, read: Read) -> None:
    """Decide a message and carry the decision out; note how the delivery ends."""
    try:
        _unless_too_old(delivery, attempts.begin)
        _carry_out(decide(delivery, read, triggers))
    except Exception as error:
        _note_end(attempts.waits if is_transient(error) else attempts.failed, delivery)
        raise


def _carry_out(decision: Decision) -> None:
    """Report the verdicts: none final while one has to wait, and none before a rejected message is safe."""
    delivery = decision.delivery
    if decision.failures:
        raise decision.failures[0]
    if waiting := decision.of(Outcome.WAITING):
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
    aws.sqs().change_message_visibility(
        QueueUrl=settings().queue_url,
        ReceiptHandle=delivery.receipt,
        # Jitter, so that they do not all return at once.
        VisibilityTimeout=random.randint(longest // 2, longest),  # noqa: S311 - no secret
    )
