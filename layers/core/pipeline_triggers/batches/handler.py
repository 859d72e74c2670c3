"""A message of the batches' queue → one step of a batch, and what it means for the message."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pipeline_triggers import aws
from pipeline_triggers.batches import breaker, messages
from pipeline_triggers.batches.connection import connected
from pipeline_triggers.batches.deadlines import TooEarly
from pipeline_triggers.batches.services import Services
from pipeline_triggers.dead_letters import quarantine
from pipeline_triggers.errors import Rejected, Waiting
from pipeline_triggers.history import ends, table
from pipeline_triggers.history.runs import Runs
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.sqs import Failures, Message, process_each
from pipeline_triggers.starts import deployed
from pipeline_triggers.telemetry import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# What must be left of the function's time to begin with one more start, and to note how it ended.
TIME_FOR_A_START = 90  # seconds

# Seconds for which a message is hidden that failed; one that waits twice as long each time, up to the most.
REST, LONGEST_REST = 30, 900

# Deliveries after which a message is given up whose step fails for another reason than one that passes by itself.
LAST_RECEIVE = 30

# How long a step that waits is retried which the sweep asks for each minute anyway.
LEFT_TO_THE_SWEEP = 900  # seconds


def handle(batch: dict[str, Any], context: LambdaContext) -> Failures:
    """Handle an SQS batch; only failed messages come back."""

    def time_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - TIME_FOR_A_START

    def process(message: Message) -> None:
        logger.append_keys(message_id=message.id)
        if _age(message) >= settings().give_up_after + 2 * LONGEST_REST:
            _give_up(message, "not done in time: the function crashed or timed out, or AWS did not answer")
            return
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
            waits_for = [messages.execution_ended(one, execution, services) for one in known]
            ends.look(execution, Runs(table.connected()), _breaker(services))
            return "; ".join(filter(None, waits_for))
        case {"sweep": str(scheduled)}:
            messages.process(message, services)
            at = datetime.fromisoformat(scheduled).timestamp()
            ends.sweep(at, Runs(table.connected()), lambda: services.time_left() > 0, _breaker(services))
            return ""
        case _:
            return messages.process(message, services)


def _breaker(services: Services) -> ends.Then:
    return lambda end: breaker.after(end, deployed.triggers(), table.connected(), services)


def _fail(message: Message, error: Exception) -> None:
    """Let SQS deliver a message again after a while, or give up what is wrong, failed too often or is too old."""
    waits = isinstance(error, Waiting) or aws.is_transient(error)
    hours = settings().give_up_after // 3600
    if isinstance(error, Rejected):
        _give_up(message, str(error))
    elif waits and _age(message) >= LEFT_TO_THE_SWEEP and messages.is_repeated(json.loads(message.body)):
        logger.exception("left to the next sweep")
    elif waits and _age(message) >= settings().give_up_after:
        _give_up(message, f"not done in {hours} hours: {aws.reason(error)}")
    elif not waits and message.receives >= LAST_RECEIVE:
        _give_up(message, f"failed after {message.receives} deliveries: {aws.reason(error)}")
    else:
        if not isinstance(error, Waiting):
            logger.exception("will be retried")
        longest = LONGEST_REST if waits else REST
        rest = error.seconds if isinstance(error, TooEarly) else min(longest, REST * 2 ** min(message.receives - 1, 10))
        aws.sqs().change_message_visibility(
            QueueUrl=settings().queue_url, ReceiptHandle=message.receipt, VisibilityTimeout=rest
        )
        raise error


def _give_up(message: Message, reason: str) -> None:
    logger.error("quarantined", extra={"reason": reason}, exc_info=True)
    quarantine(message.body, [Verdict(Outcome.REJECTED, "unknown", message.id, reason=reason)])


def _age(message: Message) -> float:
    return time.time() - message.sent_at
