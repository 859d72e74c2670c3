"""HistoryTable's calls: write records, and look them up by what they are about."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.errors import Waiting
from pipeline_triggers.history.record import Record, going_item, item, read, result_key, subject_key
from pipeline_triggers.models import Outcome
from pipeline_triggers.settings import settings

BY_TRIGGER, BY_EVENT, BY_RESULT = "by_trigger", "by_event", "by_result"

MAX_WRITE = 25  # items in one BatchWriteItem; DynamoDB
MAX_TRIES = 4  # for what DynamoDB leaves unprocessed
PAUSE = 0.2  # seconds before the second try, twice as long before each one after it


class History:
    """The records of one stack.

    ``client`` takes and gives Python values, as the client of a boto3 resource does; ``keep`` is in seconds.
    """

    def __init__(self, client: Any, name: str, keep: int = 0) -> None:
        self.client = client
        self.name = name
        self.keep = keep

    def write(self, records: Sequence[Record], remaining: Callable[[], float] = lambda: math.inf) -> None:
        """Write records; one that is there already is replaced. ``remaining`` returns the function's seconds.

        Raises:
            Waiting: there is no time for it, or DynamoDB does not take all of them now.
            botocore.exceptions.ClientError, BotoCoreError: the table can't be written now.

        """
        expires = int(time.time()) + self.keep
        # BatchWriteItem refuses two items with one key.
        items = {(one["pk"], one["sk"]): one for record in records for one in _items(record, expires)}
        requests = [{"PutRequest": {"Item": one}} for one in items.values()]
        for first in range(0, len(requests), MAX_WRITE):
            self._put(requests[first : first + MAX_WRITE], remaining)

    def _put(self, waiting: list[Any], remaining: Callable[[], float]) -> None:
        for attempt in range(MAX_TRIES):
            if attempt:
                time.sleep(random.uniform(0, PAUSE * 2**attempt))  # noqa: S311 - no secret
                if remaining() < aws.LONGEST_QUICK_CALL:
                    break
            response = self.client.batch_write_item(RequestItems={self.name: waiting})
            waiting = response.get("UnprocessedItems", {}).get(self.name, [])
            if not waiting:
                return
        raise Waiting("DynamoDB does not take all records of verdicts now")

    def of_subject(self, subject: str) -> Iterator[Record]:
        """Return the records about an object's URI, a resource's ARN or a batch's ``by``, oldest first."""
        return self._query("", "pk", subject_key(subject))

    def of_event(self, event: str) -> Iterator[Record]:
        """Return the records of an event, or a batch's own, oldest first."""
        return self._query(BY_EVENT, "event_id", event)

    def of_result(self, result: str) -> Iterator[Record]:
        """Return the records of the events that led to an execution or a batch, oldest first."""
        return self._query(BY_RESULT, "result", result_key(result))

    def of_trigger(self, trigger: str, since: str = "0", until: str = "9") -> Iterator[Record]:
        """Return the records of a trigger between two times in ISO 8601, newest first."""
        return self._query(BY_TRIGGER, "trigger", trigger, (since, until))

    def _query(self, index: str, name: str, value: str, between: tuple[str, str] | None = None) -> Iterator[Record]:
        return map(read, self.pages(index, name, value, between))

    def pages(self, index: str, name: str, value: str, between: tuple[str, str] | None = None) -> Iterator[Any]:
        """Return the items with a key, of the table or of an index, page by page."""
        condition, names, values = "#pk = :pk", {"#pk": name}, {":pk": value}
        if between:
            condition += " AND #at BETWEEN :since AND :until"
            names["#at"] = "at"
            values |= {":since": between[0], ":until": between[1]}
        call = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            **({"ScanIndexForward": False} if between else {}),
            # An index can't be read consistently; it lags by less than a second.
            **({"IndexName": index} if index else {"ConsistentRead": True}),
        }
        while True:
            page = self.client.query(**call)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            call["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _items(record: Record, expires: int) -> Iterator[dict[str, Any]]:
    yield item(record, expires)
    if record.verdict.outcome is Outcome.STARTED and record.verdict.execution_arn:
        yield going_item(record, expires)


def connected() -> History:
    """Return the history that a function's environment names."""
    return History(aws.dynamodb(), settings().history_table, settings().history_days * 86400)
