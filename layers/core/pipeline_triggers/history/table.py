"""HistoryTable's calls: write records, look them up, note how an execution ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers.errors import Waiting
from pipeline_triggers.history.record import End, Record, item, key, partition, read

BY_TRIGGER, BY_EVENT, BY_EXECUTION, GOING = "by_trigger", "by_event", "by_execution", "going"

MAX_WRITE = 25  # items in one BatchWriteItem; DynamoDB
MAX_TRIES = 3  # for what DynamoDB leaves unprocessed


class History:
    """The records of one stack.

    ``client`` takes and gives Python values, as the client of a boto3 resource does; ``keep`` is in seconds.
    """

    def __init__(self, client: Any, name: str, keep: int = 0) -> None:
        self._client = client
        self._name = name
        self._keep = keep

    def write(self, records: Sequence[Record], now: float) -> None:
        """Write records; one that is there already is replaced.

        Raises:
            Waiting: DynamoDB did not take all of them now.

        """
        waiting = [{"PutRequest": {"Item": item(record, int(now) + self._keep)}} for record in records]
        for _ in range(MAX_TRIES * (len(waiting) // MAX_WRITE + 1)):
            chunk, waiting = waiting[:MAX_WRITE], waiting[MAX_WRITE:]
            answer = self._client.batch_write_item(RequestItems={self._name: chunk})
            waiting += answer.get("UnprocessedItems", {}).get(self._name, [])
            if not waiting:
                return
        raise Waiting("the verdicts could not all be recorded; retrying")

    def of_subject(self, subject: str) -> Iterator[Record]:
        """Yield the records about an object's URI, a resource's ARN or a batch."""
        return self._query("", "pk", partition(subject))

    def of_event(self, event_id: str) -> Iterator[Record]:
        """Yield the records of an event, oldest first."""
        return self._query(BY_EVENT, "event_id", event_id)

    def of_execution(self, execution: str) -> Iterator[Record]:
        """Yield the records that name an execution, oldest first: the start, and its duplicates."""
        return self._query(BY_EXECUTION, "execution", execution)

    def of_trigger(self, trigger: str, since: str, until: str) -> Iterator[Record]:
        """Yield the records of a trigger between two times in ISO 8601, newest first."""
        return self._query(BY_TRIGGER, "trigger", trigger, since, until, newest_first=True)

    def going(self, before: str) -> Iterator[Record]:
        """Yield the starts before a time whose execution's end is not known, oldest first."""
        return self._query(GOING, "going", "yes", "", before)

    def note_end(self, record: Record, end: End) -> bool:
        """Note how the execution of a record ended; False: that was noted before, or the record has expired."""
        try:
            self._client.update_item(
                TableName=self._name,
                Key=key(record),
                UpdateExpression="SET #end = :end REMOVE #going",
                ConditionExpression="attribute_exists(#pk) AND attribute_not_exists(#end)",
                ExpressionAttributeNames={"#end": "end", "#going": "going", "#pk": "pk"},
                ExpressionAttributeValues={":end": asdict(end)},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _query(
        self, index: str, name: str, value: str, since: str = "", until: str = "", *, newest_first: bool = False
    ) -> Iterator[Record]:
        condition, values = "#key = :key", {":key": value}
        names = {"#key": name}
        if until:
            condition += " AND #at BETWEEN :since AND :until"
            values |= {":since": since or "0", ":until": until}
            names["#at"] = "at"
        call = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not newest_first,
            # An index is never read consistently; it lags by less than a second.
            **({"IndexName": index} if index else {"ConsistentRead": True}),
        }
        while True:
            page: Mapping[str, Any] = self._client.query(**call)
            yield from map(read, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            call["ExclusiveStartKey"] = page["LastEvaluatedKey"]
