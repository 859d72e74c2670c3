"""DynamoDB's table as far as the ledger uses it, in memory. A test holds it against moto's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.network import refusal


class Table:
    """A table with the key ``id``; expired items are gone at once. Values and conditions are as boto3 takes them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._items: dict[str, dict[str, Any]] = {}

    def _item(self, id_: str) -> dict[str, Any]:
        item = self._items.get(id_, {})
        return item if item.get("expires", self._now()) >= self._now() else {}

    def _check(self, condition: Any, id_: str, operation: str) -> None:
        if condition is not None and not _holds(condition, self._item(id_)):
            raise refusal("ConditionalCheckFailedException")(operation)

    # ruff: noqa: N803 - boto3's names

    def put_item(self, Item: dict[str, Any], ConditionExpression: Any = None, **_: str) -> dict[str, Any]:
        """Write an item."""
        self._check(ConditionExpression, Item["id"], "PutItem")
        self._items[Item["id"]] = dict(Item)
        return {}

    def get_item(self, Key: dict[str, str], ConsistentRead: bool, **_: str) -> dict[str, Any]:
        """Read an item."""
        assert ConsistentRead
        item = self._item(Key["id"])
        return {"Item": dict(item)} if item else {}

    def delete_item(self, Key: dict[str, str], ConditionExpression: Any = None, **_: str) -> dict[str, Any]:
        """Delete an item."""
        self._check(ConditionExpression, Key["id"], "DeleteItem")
        self._items.pop(Key["id"], None)
        return {}

    def update_item(
        self,
        Key: dict[str, str],
        UpdateExpression: str,
        ExpressionAttributeValues: Mapping[str, Any] | None = None,
        ConditionExpression: Any = None,
        ReturnValues: str = "NONE",
        **_: str,
    ) -> dict[str, Any]:
        """Change an item, or make it."""
        self._check(ConditionExpression, Key["id"], "UpdateItem")
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


def _holds(condition: Any, item: Mapping[str, Any]) -> bool:
    """Say whether a condition, made with boto3, holds for an item."""
    expression = condition.get_expression()
    one, *other = expression["values"]
    match expression["operator"]:
        case "AND":
            return _holds(one, item) and _holds(other[0], item)
        case "OR":
            return _holds(one, item) or _holds(other[0], item)
        case "attribute_not_exists":
            return one.name not in item
        case "attribute_exists":
            return one.name in item
        case "=":
            return one.name in item and bool(item[one.name] == other[0])
        case "<":
            return one.name in item and bool(item[one.name] < other[0])
        case operator:
            raise AssertionError(f"the table knows no condition {operator}")
