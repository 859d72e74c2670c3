"""DynamoDB's table as far as the ledger uses it, in memory. A test holds it against moto's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import eq, lt
from typing import Any

from tests.simulation.network import refusal

Values = Mapping[str, Any]


class Table:
    """A table with the key ``id``; expired items are gone at once."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._items: dict[str, dict[str, Any]] = {}

    def _item(self, id_: str) -> dict[str, Any]:
        item = self._items.get(id_, {})
        return item if item.get("expires", self._now()) >= self._now() else {}

    def _check(self, condition: str, values: Values | None, id_: str, operation: str) -> None:
        if condition and not _holds(condition, values or {}, self._item(id_)):
            raise refusal("ConditionalCheckFailedException")(operation)

    # ruff: noqa: N803 - boto3's names

    def put_item(self, Item: dict[str, Any], ConditionExpression: str = "", **_: str) -> dict[str, Any]:
        """Write an item."""
        self._check(ConditionExpression, None, Item["id"], "PutItem")
        self._items[Item["id"]] = dict(Item)
        return {}

    def get_item(self, Key: dict[str, str], ConsistentRead: bool, **_: str) -> dict[str, Any]:
        """Read an item."""
        assert ConsistentRead
        item = self._item(Key["id"])
        return {"Item": dict(item)} if item else {}

    def delete_item(
        self,
        Key: dict[str, str],
        ConditionExpression: str = "",
        ExpressionAttributeValues: Values | None = None,
        **_: str,
    ) -> dict[str, Any]:
        """Delete an item."""
        self._check(ConditionExpression, ExpressionAttributeValues, Key["id"], "DeleteItem")
        self._items.pop(Key["id"], None)
        return {}

    def update_item(
        self,
        Key: dict[str, str],
        UpdateExpression: str,
        ExpressionAttributeValues: Values | None = None,
        ConditionExpression: str = "",
        ReturnValues: str = "NONE",
        **_: str,
    ) -> dict[str, Any]:
        """Change an item, or make it."""
        self._check(ConditionExpression, ExpressionAttributeValues, Key["id"], "UpdateItem")
        item = {**Key, **self._item(Key["id"])}
        changed = {}
        for verb, clause in re.findall(r"(SET|ADD|REMOVE) (.+?)(?= SET | ADD | REMOVE |$)", UpdateExpression):
            for part in clause.split(", "):
                if verb == "REMOVE":
                    item.pop(part, None)
                    continue
                name, value = part.split(" = " if verb == "SET" else " ")
                given = (ExpressionAttributeValues or {})[value]
                changed[name] = _added(item.get(name), given) if verb == "ADD" else given
        self._items[Key["id"]] = item | changed
        returned = {"UPDATED_NEW": changed, "ALL_NEW": item | changed}
        return {"Attributes": returned[ReturnValues]} if ReturnValues in returned else {}


def _added(before: Any, given: Any) -> Any:
    """Add to a number or to a set, as DynamoDB does to what is not there yet, too."""
    if isinstance(given, set):
        return (before or set()) | given
    return (before or 0) + given


def _holds(condition: str, values: Values, item: Mapping[str, Any]) -> bool:
    """Say whether a condition holds for an item; none of the ledger's has both AND and OR."""
    if " OR " in condition:
        return any(_holds(part, values, item) for part in condition.split(" OR "))
    if " AND " in condition:
        return all(_holds(part, values, item) for part in condition.split(" AND "))
    if function := re.fullmatch(r"(attribute_exists|attribute_not_exists)\((\w+)\)", condition):
        return (function[2] in item) == (function[1] == "attribute_exists")
    name, operator, value = condition.split(" ")
    compare = {"=": eq, "<": lt}[operator]
    return name in item and bool(compare(item[name], values[value]))
