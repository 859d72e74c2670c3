"""A message of the batches' queue → one step of a batch, and what it means for the message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

from pipeline_triggers import aws
from pipeline_triggers.batches import messages
from pipeline_triggers.batches.connection import connected
from pipeline_triggers.batches.deadlines import TooEarly
from pipeline_triggers.batches.services import Services
from pipeline_triggers.dead_letters import quarantine
from pipeline_triggers.errors import Rejected, Waiting
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What must be left of the function's time to begin with one more start, and to note how it ended.
TIME_FOR_A_START = 90  # seconds

REST = 30  # seconds for which a message is hidden that failed or has to wait

# Below the queue's maxReceiveCount: SQS itself moves messages to the dead-letter queue without a reason.
LAST_RECEIVE = 30


def handle(batch: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Handle an SQS batch; only failed messages come back."""

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - TIME_FOR_A_START

    def process(record: SQSRecord) -> None:
        logger.append_keys(message_id=record.message_id)
        try:
            waits_for = _process(json.loads(record.body), connected(time_left))
        except Exception as error:
            _fail(record, error)
        else:
            if waits_for:
                logger.info("waiting", extra={"body": record.body, "reason": waits_for})

    processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event=batch, record_handler=process, processor=processor, context=context)


def _process(message: Mapping[str, Any], services: Services) -> str:
    """Process a message; the rule of ended executions sends EventBridge's event as it is."""
    match message:
        case {"detail": {"pipelineArn": str(pipeline), "pipelineExecutionArn": str(execution)}}:
            name = pipeline.rpartition("/")[2].lower()  # SageMaker may lower-case ARNs
            known = [one.name for one in services.store.pipelines() if one.name.lower() == name]
            return "; ".join(filter(None, (messages.execution_ended(one, execution, services) for one in known)))
        case _:
            return messages.process(message, services)


def _fail(record: SQSRecord, error: Exception) -> None:
    """Let SQS deliver a message again after a while, or quarantine what is wrong or failed too often."""
    is_last = int(record.attributes.approximate_receive_count) >= LAST_RECEIVE
    if is_last or isinstance(error, Rejected):
        reason = f"failed {LAST_RECEIVE} times: {aws.reason(error)}" if is_last else str(error)
        logger.exception("quarantined")
        quarantine(record.body, [Verdict(Outcome.REJECTED, "unknown", record.message_id, reason=reason)])
        return
    if not isinstance(error, Waiting):
        logger.exception("will be retried")
    aws.sqs().change_message_visibility(
        QueueUrl=settings().queue_url,
        ReceiptHandle=record.receipt_handle,
        VisibilityTimeout=error.seconds if isinstance(error, TooEarly) else REST,
    )
    raise error
