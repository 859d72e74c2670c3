"""A message of the batches' queue → one step of a batch, and what it means for the message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline_triggers import aws
from pipeline_triggers.batches import messages
from pipeline_triggers.batches.connection import connected
from pipeline_triggers.batches.deadlines import TooEarly
from pipeline_triggers.batches.services import Services
from pipeline_triggers.dead_letters import quarantine
from pipeline_triggers.errors import Rejected, Waiting
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.sqs import Failures, Message, process_each
from pipeline_triggers.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What must be left of the function's time to begin with one more start, and to note how it ended.
TIME_FOR_A_START = 90  # seconds

REST = 30  # seconds for which a message is hidden that failed or has to wait

# Below the queue's maxReceiveCount: SQS itself moves messages to the dead-letter queue without a reason.
LAST_RECEIVE = 30


def handle(batch: dict[str, Any], context: LambdaContext) -> Failures:
    """Handle an SQS batch; only failed messages come back."""

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - TIME_FOR_A_START

    def process(message: Message) -> None:
        logger.append_keys(message_id=message.id)
        try:
            waits_for = _process(json.loads(message.body), connected(time_left))
        except Exception as error:
            _fail(message, error)
        else:
            if waits_for:
                logger.info("waiting", extra={"body": message.body, "reason": waits_for})

    return process_each(batch, process)


def _process(message: Mapping[str, Any], services: Services) -> str:
    """Process a message; the rule of ended executions sends EventBridge's event as it is."""
    match message:
        case {"detail": {"pipelineArn": str(pipeline), "pipelineExecutionArn": str(execution)}}:
            name = pipeline.rpartition("/")[2].lower()  # SageMaker may lower-case ARNs
            known = [one.name for one in services.store.pipelines() if one.name.lower() == name]
            return "; ".join(filter(None, (messages.execution_ended(one, execution, services) for one in known)))
        case _:
            return messages.process(message, services)


def _fail(message: Message, error: Exception) -> None:
    """Let SQS deliver a message again after a while, or quarantine what is wrong or failed too often."""
    is_last = message.receives >= LAST_RECEIVE
    if is_last or isinstance(error, Rejected):
        reason = f"failed {LAST_RECEIVE} times: {aws.reason(error)}" if is_last else str(error)
        logger.exception("quarantined")
        quarantine(message.body, [Verdict(Outcome.REJECTED, "unknown", message.id, reason=reason)])
        return
    if not isinstance(error, Waiting):
        logger.exception("will be retried")
    aws.sqs().change_message_visibility(
        QueueUrl=settings().queue_url,
        ReceiptHandle=message.receipt,
        VisibilityTimeout=error.seconds if isinstance(error, TooEarly) else REST,
    )
    raise error
