"""Which message takes a step of a clean-up: the first that claims it. A copy of that message does nothing.

A function that is killed after it sent the message of the next step would send it again when SQS delivers its own
message again. Two clean-ups of one name would count and report everything twice.
"""

from __future__ import annotations

import time
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Filtered

# Longer than a message can live: 7 days in its queue, 14 in the dead-letter queue, and 7 when it is sent again.
KEPT = 30 * 24 * 3600  # seconds


def claim(table: str, cleanup: str, step: int, message: str) -> None:
    """Claim a step of a clean-up for a message, which keeps it however often SQS delivers it.

    Raises:
        Filtered: another message has claimed it.
        botocore.exceptions.ClientError, BotoCoreError: the table can't be written now.

    """
    try:
        aws.table(table).put_item(
            Item={**_key(cleanup, step), "message": message, "expires": int(time.time()) + KEPT},
            ConditionExpression="attribute_not_exists(pipeline) OR message = :message",
            ExpressionAttributeValues={":message": message},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        raise Filtered("another message has claimed this step of the clean-up") from error


def is_claimed(table: str, cleanup: str, step: int) -> bool:
    """Whether a message has claimed a step of a clean-up."""
    return "Item" in aws.table(table).get_item(Key=_key(cleanup, step), ConsistentRead=True)


def _key(cleanup: str, step: int) -> dict[str, Any]:
    # A space, which no pipeline's name has, keeps claims apart from snapshots.
    return {"pipeline": f"clean-up {cleanup}", "thing": f"step {step}"}
