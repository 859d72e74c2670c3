"""BatchTable's calls in short: expressions with their names and values, pages, transactions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

MAX_BATCH_GET, MAX_BATCH_WRITE = 100, 25  # items per call; DynamoDB


class Changed(Exception):
    """What was read has changed, or another transaction is changing it: read again.

    ``codes`` holds DynamoDB's reason for each item: ConditionalCheckFailed, TransactionConflict or None.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = tuple(codes)
        super().__init__(", ".join(self.codes))


class Table:
    """One DynamoDB table with the keys ``pk`` and ``sk``.

    ``client`` takes and gives Python values, as the client of a boto3 resource does.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        """Return the item as it is now."""
        answer = self._client.get_item(TableName=self._name, Key={"pk": pk, "sk": sk}, ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def get_all(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        """Return those of the items that exist, as they are now."""
        items = {}
        waiting = [{"pk": pk, "sk": sk} for pk, sk in dict.fromkeys(keys)]
        while waiting:
            chunk, waiting = waiting[:MAX_BATCH_GET], waiting[MAX_BATCH_GET:]
            request = {self._name: {"Keys": chunk, "ConsistentRead": True}}
            answer = self._client.batch_get_item(RequestItems=request)
            items.update({(item["pk"], item["sk"]): item for item in answer["Responses"].get(self._name, [])})
            waiting += answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", [])
        return items

    def query(self, pk: str, *, prefix: str = "", after: str = "", most: int | None = None) -> Iterator[dict[str, Any]]:
        """Return the items under ``pk`` in the order of ``sk``: those with a prefix, or those after one."""
        condition, values = "#pk = :pk", {":pk": pk}
        if prefix:
            condition, values = f"{condition} AND begins_with(#sk, :sk)", {**values, ":sk": prefix}
        elif after:
            condition, values = f"{condition} AND #sk > :sk", {**values, ":sk": after}
        call = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": _names(condition),
            "ExpressionAttributeValues": values,
            "ConsistentRead": True,
            **({"Limit": most} if most else {}),
        }
        while True:
            page = self._client.query(**call)
            yield from page["Items"]
            if most or "LastEvaluatedKey" not in page:
                return
            call["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def write(self, *changes: dict[str, Any]) -> None:
        """Make all the changes, or none.

        Raises:
            Changed: a condition does not hold, or another transaction is at one of the items.

        """
        try:
            self._client.transact_write_items(TransactItems=list(changes))
        except ClientError as error:
            if error.response["Error"]["Code"] == "TransactionCanceledException":
                reasons = error.response["CancellationReasons"]
                codes = [reason.get("Code", "None") for reason in reasons]
                if set(codes) <= {"None", "ConditionalCheckFailed", "TransactionConflict"}:
                    raise Changed(codes) from error
            raise

    def delete_all(self, keys: Sequence[tuple[str, str]]) -> None:
        """Delete items, in several calls."""
        waiting = [{"DeleteRequest": {"Key": {"pk": pk, "sk": sk}}} for pk, sk in keys]
        while waiting:
            chunk, waiting = waiting[:MAX_BATCH_WRITE], waiting[MAX_BATCH_WRITE:]
            answer = self._client.batch_write_item(RequestItems={self._name: chunk})
            waiting += answer.get("UnprocessedItems", {}).get(self._name, [])

    def put(self, item: dict[str, Any], condition: str = "", **values: Any) -> dict[str, Any]:
        """Return the change that writes an item."""
        return {"Put": self._change(condition, values, Item=item)}

    def update(self, pk: str, sk: str, update: str, condition: str, **values: Any) -> dict[str, Any]:
        """Return the change of an item; without a condition UpdateItem would create what is gone."""
        expressions = {"Key": {"pk": pk, "sk": sk}, "UpdateExpression": update}
        return {"Update": self._change(condition, values, **expressions)}

    def delete(self, pk: str, sk: str, condition: str = "", **values: Any) -> dict[str, Any]:
        """Return the change that deletes an item."""
        return {"Delete": self._change(condition, values, Key={"pk": pk, "sk": sk})}

    def check(self, pk: str, sk: str, condition: str, **values: Any) -> dict[str, Any]:
        """Return what lets the others happen only while a condition holds."""
        return {"ConditionCheck": self._change(condition, values, Key={"pk": pk, "sk": sk})}

    def _change(self, condition: str, values: dict[str, Any], **call: Any) -> dict[str, Any]:
        """Name all attributes: many of the plain ones are reserved words. ``id_…`` values stand for names in a map."""
        call["TableName"] = self._name
        if condition:
            call["ConditionExpression"] = condition
        used = f"{call.get('UpdateExpression', '')} {condition}"
        if names := _names(used):
            within = {name: values[name[1:]] for name in names if name.startswith("#id_")}
            call["ExpressionAttributeNames"] = names | within
        given = {f":{name}": value for name, value in values.items() if re.search(rf":{name}\b", used)}
        if given:
            call["ExpressionAttributeValues"] = given
        return call


def _names(expression: str) -> dict[str, str]:
    return {f"#{name}": name for name in re.findall(r"#(\w+)", expression)}
