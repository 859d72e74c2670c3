"""Messages on SNS topics, ours and others' → pipeline executions."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pipeline_triggers.delivery.handler import handle
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.settings import settings
from pipeline_triggers.sqs import Failures
from pipeline_triggers.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Failures:
    """Handle a batch of the message queue: SQS messages that hold what was published, in SNS's envelope."""
    return handle(event, context, partial(from_topic, settings().requests_topic))
