"""Deleted pipelines → what they leave behind is removed."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pipeline_triggers.janitor.handler import handle
from pipeline_triggers.sqs import Failures
from pipeline_triggers.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Failures:
    """Handle a message of the janitor's queue: CloudTrail's DeletePipeline, a sweep, or a clean-up that goes on."""
    return handle(event, context)
