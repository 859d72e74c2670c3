"""Batches of events, step by step → pipeline executions."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pipeline_triggers.batches.handler import handle
from pipeline_triggers.sqs import Failures
from pipeline_triggers.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Failures:
    """Handle a message of the batch queue: a sweep, a pipeline, a slot, a deadline, an execution's end, a command."""
    return handle(event, context)
