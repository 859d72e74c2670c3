"""Status changes of SageMaker endpoints → pipeline executions."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pipeline_triggers.delivery.handler import handle
from pipeline_triggers.events.envelope import from_rule
from pipeline_triggers.sqs import Failures
from pipeline_triggers.telemetry import logger


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Failures:
    """Handle a batch of the status queue: SQS messages that hold a trigger's id and SageMaker's event."""
    return handle(event, context, partial(from_rule, "OnEndpointStatus"))
