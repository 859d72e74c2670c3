"""The ledger of starts, and how many starts a trigger has made in an hour.

One DynamoDB table, written with conditions, so that of two deliveries one wins. Its items expire by themselves.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import MaxStarts, Undecided
from pipeline_triggers.settings import settings

# Longer than a message can live: 7 days in its queue, 14 in the dead-letter queue, and 7 when it is sent again.
KEPT = 30 * 24 * 3600  # seconds

# When a start that another function began may be taken over: that function is dead, and SageMaker lists what it
# started, whichever of the two clocks is ahead. Shorter than SQS hides the message of a function that was killed.
FUNCTION_TIMEOUT = 120  # seconds, as template.yaml says
LISTING_BOUND = 360  # seconds until SageMaker lists a started execution; assumed, AWS does not say
CLOCK_SKEW = 60  # seconds that a function's clock may be off; assumed
LEASE = FUNCTION_TIMEOUT + LISTING_BOUND + 2 * CLOCK_SKEW

MAX_BATCH_GET = 100  # items per call; DynamoDB


@dataclass(frozen=True, slots=True)
class Entry:
    """A start in the ledger, begun at a Unix time for a message of SQS.

    ``nonce`` says whose it is now. ``resumed`` says that an earlier delivery began it: until the execution was looked
    for, it may have worked. ``execution`` is the ARN, once that is known.
    """

    token: str
    nonce: str
    begun_at: int
    message: str
    resumed: bool = False
    execution: str | None = None


def begin(token: str, trigger: str, message: str, occurrence: str) -> Entry:
    """Begin a start, or take over one that an earlier delivery began: no other delivery makes it during the lease.

    Raises:
        Undecided: another delivery holds the lease.
        botocore.exceptions.ClientError, BotoCoreError: the table can't be written now.

    """
    nonce, now = uuid.uuid4().hex, time.time()
    entry = Entry(token, nonce, int(now), message)
    item = {"id": _start(token), "trigger": trigger, "message": message, "occurrence": occurrence, "nonce": nonce}
    times = {"begun_at": entry.begun_at, "lease": math.ceil(now) + LEASE, "expires": int(now) + KEPT}
    try:
        _table().put_item(Item={**item, **times}, ConditionExpression="attribute_not_exists(id)")
    except ClientError as error:
        if not _condition_failed(error):
            raise
        before = _read(token)
        if not before:
            raise Undecided("another delivery has just given this start back") from error
        return _take_over(before, entry, occurrence)
    return entry


def resume(token: str, message: str, occurrence: str) -> Entry | None:
    """Take over a start if an earlier delivery of this occurrence began it.

    One that another occurrence with the same business key began stays with that one.

    Raises:
        Undecided: another delivery holds the lease.
        botocore.exceptions.ClientError, BotoCoreError: the table can't be asked now.

    """
    before = _read(token)
    if before.get("occurrence") != occurrence:
        return None
    return _take_over(before, Entry(token, uuid.uuid4().hex, int(time.time()), message), occurrence)


def _take_over(item: Mapping[str, Any], new: Entry, occurrence: str) -> Entry:
    """Take over the start of a table's item for a new entry, unless its execution is known or it is that entry's."""
    before = replace(
        new,
        begun_at=int(item["begun_at"]),
        message=item["message"],
        resumed=True,
        execution=item.get("execution"),
    )
    if before.execution:
        return before
    if item.get("nonce") == new.nonce:
        # botocore made the call again, and met what its first request had written.
        return new
    now, lease = time.time(), int(item["lease"])
    if now < lease:
        left = math.ceil(lease - now)
        raise Undecided(f"another delivery is processing it, or crashed; taken over in {left} s")
    try:
        _table().update_item(
            Key={"id": _start(new.token)},
            UpdateExpression="SET lease = :lease, nonce = :nonce, message = :message, occurrence = :occurrence",
            ConditionExpression="lease = :before AND attribute_not_exists(execution)",
            ExpressionAttributeValues={
                ":before": lease,
                ":lease": math.ceil(now) + LEASE,
                ":nonce": new.nonce,
                ":message": new.message,
                ":occurrence": occurrence,
            },
        )
    except ClientError as error:
        if not _condition_failed(error):
            raise
        if _read(new.token).get("nonce") != new.nonce:
            raise Undecided("another delivery is processing it") from error
    return before


def known(tokens: Sequence[str]) -> dict[str, Entry]:
    """Return those starts that were begun, by their tokens; a call asks for a hundred of them.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: the table can't be asked now.

    """
    entries: dict[str, Entry] = {}
    waiting: list[dict[str, Any]] = [{"id": _start(token)} for token in dict.fromkeys(tokens)]
    while waiting:
        request: Any = {settings().state_table: {"Keys": waiting[:MAX_BATCH_GET], "ConsistentRead": True}}
        response: dict[str, Any] = aws.dynamodb().batch_get_item(RequestItems=request)
        for item in response["Responses"].get(settings().state_table, []):
            token = item["id"].removeprefix(_start(""))
            begun_at, message = int(item["begun_at"]), item["message"]
            entries[token] = Entry(token, item["nonce"], begun_at, message, True, item.get("execution"))
        left = response.get("UnprocessedKeys", {}).get(settings().state_table, {}).get("Keys", [])
        waiting = [*left, *waiting[MAX_BATCH_GET:]]
    return entries


def record(token: str, execution: str) -> None:
    """Write down the execution of a start; it is remembered from now on for as long as messages may ask for it."""
    _table().update_item(
        Key={"id": _start(token)},
        UpdateExpression="SET execution = :execution, expires = :expires",
        ExpressionAttributeValues={":execution": execution, ":expires": int(time.time()) + KEPT},
    )


def release(entry: Entry) -> None:
    """Give back a start that was for certain not made by this delivery: the next one need not wait for the lease.

    What an earlier delivery began stays, so that its execution is looked for again.
    """
    key, is_ours, nonce = {"id": _start(entry.token)}, "nonce = :nonce", {":nonce": entry.nonce}
    try:
        if entry.resumed:
            _table().update_item(
                Key=key,
                UpdateExpression="SET lease = :over",
                ConditionExpression=is_ours,
                ExpressionAttributeValues={**nonce, ":over": 0},
            )
        else:
            _table().delete_item(Key=key, ConditionExpression=is_ours, ExpressionAttributeValues=nonce)
    except ClientError as error:
        # It was given back before, by botocore's first request.
        if not _condition_failed(error):
            raise


def hour_key(trigger: str, now: int) -> str:
    """Return the key of the item that counts a trigger's ``starts`` in the hour of a Unix time."""
    return f"hour#{trigger}#{now // 3600}"


def count(trigger: str, max_starts: int) -> str:
    """Count a start of this hour, and return the hour's key for ``uncount``.

    Raises:
        MaxStarts: there were as many as there may be.
        botocore.exceptions.ClientError, BotoCoreError: it can't be counted now; it may have been.

    """
    now = int(time.time())
    hour = hour_key(trigger, now)
    try:
        _counters().update_item(
            Key={"id": hour},
            UpdateExpression="ADD starts :one SET expires = :expires",
            ConditionExpression="attribute_not_exists(starts) OR starts < :most",
            ExpressionAttributeValues={":one": 1, ":most": max_starts, ":expires": now + 2 * 3600},
        )
    except ClientError as error:
        if _condition_failed(error):
            raise _reached(max_starts) from error
        raise
    return hour


def need_room(trigger: str, max_starts: int) -> None:
    """Raise MaxStarts if the trigger has started as many in this hour as it may; nothing is counted."""
    key = {"id": hour_key(trigger, int(time.time()))}
    response: dict[str, Any] = _table().get_item(Key=key, ConsistentRead=True)
    if response.get("Item", {}).get("starts", 0) >= max_starts:
        raise _reached(max_starts)


def _reached(max_starts: int) -> MaxStarts:
    return MaxStarts(f"reached max_starts ({max_starts} per hour); waiting")


def uncount(hour: str) -> None:
    """Take back the count of a start that was not made, in the hour in which it was counted."""
    _counters().update_item(
        Key={"id": hour},
        UpdateExpression="ADD starts :less",
        ExpressionAttributeValues={":less": -1},
    )


def _read(token: str) -> dict[str, Any]:
    response: dict[str, Any] = _table().get_item(Key={"id": _start(token)}, ConsistentRead=True)
    item: dict[str, Any] = response.get("Item", {})
    return item


def _table() -> Any:
    return aws.table(settings().state_table)


def _counters() -> Any:
    return aws.counters(settings().state_table)


def _start(token: str) -> str:
    return f"start#{token}"


def _condition_failed(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
