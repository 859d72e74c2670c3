"""What has happened already: the ledger of starts, the starts of an hour, and how often a message was tried.

One DynamoDB table, written with conditions, so that of two deliveries one wins. Its items expire by themselves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Waiting
from pipeline_triggers.settings import settings

# Longer than a message can live: 7 days in its queue, 14 in the dead-letter queue, and 7 when it is sent again.
KEPT = 30 * 24 * 3600  # seconds

# How long a start that has begun is left to who began it: longer than a function may run, shorter than SQS hides its
# message. What is left of it is what SageMaker may take to list a started execution.
LEASE = 600  # seconds


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger knows of a start that was begun before, at a Unix time, for a message of SQS."""

    begun_at: int
    message: str
    execution: str | None


def begin(token: str, trigger: str, message: str) -> Entry | None:
    """Note that a start begins. None says that nobody began it before, an entry that somebody did.

    Raises:
        Waiting: somebody else is at it now.

    """
    now = int(time.time())
    item = {"id": _start(token), "trigger": trigger, "message": message, "begun_at": now, "lease": now + LEASE}
    try:
        _table().put_item(Item={**item, "expires": now + KEPT}, ConditionExpression=Attr("id").not_exists())
    except ClientError as error:
        if not _condition_failed(error):
            raise
        return _begun_before(token, message, now)
    return None


def _begun_before(token: str, message: str, now: int) -> Entry:
    found: dict[str, Any] = _table().get_item(Key={"id": _start(token)}, ConsistentRead=True).get("Item", {})
    if execution := found.get("execution"):
        return Entry(int(found["begun_at"]), found["message"], execution)
    lease = found.get("lease", now)
    if now < lease:
        raise Waiting(f"another delivery is at it, or broke off; asked again in {lease - now} s")
    try:
        _table().update_item(
            Key={"id": _start(token)},
            UpdateExpression="SET lease = :mine, message = :message",
            ConditionExpression=Attr("lease").eq(lease) & Attr("execution").not_exists(),
            ExpressionAttributeValues={":mine": now + LEASE, ":message": message},
        )
    except ClientError as error:
        if _condition_failed(error):
            raise Waiting("another delivery is at it") from error
        raise
    return Entry(int(found["begun_at"]), message, None)


def started(token: str, execution: str) -> None:
    """Note the execution of a start that was begun."""
    _table().update_item(
        Key={"id": _start(token)},
        UpdateExpression="SET execution = :execution, expires = :expires",
        ExpressionAttributeValues={":execution": execution, ":expires": int(time.time()) + KEPT},
    )


def release(token: str) -> None:
    """Forget a start that was begun and for certain not made."""
    _table().delete_item(Key={"id": _start(token)})


def count(trigger: str, most: int) -> str | None:
    """Count a start of this hour, and return what it was counted in; None when there were as many as there may be."""
    now = int(time.time())
    hour = f"hour#{trigger}#{now // 3600}"
    try:
        _table().update_item(
            Key={"id": hour},
            UpdateExpression="ADD starts :one SET expires = :expires",
            ConditionExpression=Attr("starts").not_exists() | Attr("starts").lt(most),
            ExpressionAttributeValues={":one": 1, ":expires": now + 2 * 3600},
        )
    except ClientError as error:
        if _condition_failed(error):
            return None
        raise
    return hour


def uncount(hour: str) -> None:
    """Take back the count of a start that was not made, in the hour in which ``count`` counted it."""
    _table().update_item(
        Key={"id": hour},
        UpdateExpression="ADD starts :less",
        ExpressionAttributeValues={":less": -1},
    )


def tried(message: str) -> int:
    """Count that a message of SQS is tried, and return how often it has been, less those times when it had to wait."""
    return _count_try(message, 1)


def untried(message: str) -> None:
    """Take back the count of a try that ended with waiting."""
    _count_try(message, -1)


def _count_try(message: str, by: int) -> int:
    answer = _table().update_item(
        Key={"id": f"tries#{message}"},
        UpdateExpression="ADD tries :by SET expires = :expires",
        ExpressionAttributeValues={":by": by, ":expires": int(time.time()) + KEPT},
        ReturnValues="UPDATED_NEW",
    )
    return int(answer["Attributes"]["tries"])  # DynamoDB's numbers are Decimals


def _table() -> Any:
    return aws.table(settings().state_table)


def _start(token: str) -> str:
    return f"start#{token}"


def _condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
