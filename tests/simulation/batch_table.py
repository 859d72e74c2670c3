"""DynamoDB as far as ``batches`` uses it: conditions, updates, transactions, queries; held against moto by a test."""

from __future__ import annotations

import itertools
import re
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

MAX_TRANSACTION = 100
MAX_ITEM_BYTES = 409_600

Item = dict[str, Any]


def error(code: str, operation: str, **more: Any) -> ClientError:
    """Return an error of AWS."""
    status = 500 if code == "InternalServerError" else 400
    answer: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, operation)


def conflict() -> ClientError:
    """Return what a transaction gets that meets another one."""
    reasons = [{"Code": "TransactionConflict"}]
    return error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)


class MemoryTable:
    """One table with the keys ``pk`` and ``sk``, which takes and gives Python values. What has expired is gone at once.

    ``conflicts`` says whether another transaction is at an item at this moment.
    """

    # ruff: noqa: N803 - boto3's names

    def __init__(self, now: Callable[[], float], conflicts: Callable[[], bool] = lambda: False) -> None:
        self._now = now
        self._conflicts = conflicts
        self.partitions: dict[str, dict[str, Item]] = {}
        self._sorted: dict[str, list[str]] = defaultdict(list)  # the keys of each partition
        self.writes = 0
        self.queued: dict[tuple[str, str], float] = {}

    def items(self, pk: str = "") -> Iterator[Item]:
        """Return what is there, for the checks."""
        for key, partition in self.partitions.items():
            if key.startswith(pk):
                yield from (item for item in partition.values() if not self._is_expired(item))

    def _is_expired(self, item: Mapping[str, Any]) -> bool:
        return bool(item.get("expires", self._now()) < self._now())

    def _find(self, key: Mapping[str, str]) -> Item | None:
        item = self.partitions.get(key["pk"], {}).get(key["sk"])
        return None if item is None or self._is_expired(item) else item

    def get_item(self, TableName: str, Key: Mapping[str, str], ConsistentRead: bool) -> dict[str, Any]:
        """Read an item."""
        assert TableName
        assert ConsistentRead
        item = self._find(Key)
        return {"Item": dict(item)} if item else {}

    def put_item(self, TableName: str, Item: Mapping[str, Any], ConditionExpression: str) -> dict[str, Any]:
        """Write an item that is not there."""
        assert TableName
        assert ConditionExpression == "attribute_not_exists(pk)"
        if self._find(Item):
            raise error("ConditionalCheckFailedException", "PutItem")
        self._put(Item["pk"], Item["sk"], _checked(dict(Item)))
        return {}

    def delete_item(self, TableName: str, Key: Mapping[str, str]) -> dict[str, Any]:
        """Delete an item."""
        assert TableName
        self._remove(Key["pk"], Key["sk"])
        return {}

    def batch_get_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:
        """Read items."""
        ((name, request),) = RequestItems.items()
        keys = request["Keys"]
        assert request["ConsistentRead"]
        assert len({(key["pk"], key["sk"]) for key in keys}) == len(keys) <= 100
        return {"Responses": {name: [dict(item) for key in keys if (item := self._find(key))]}}

    def batch_write_item(self, RequestItems: Mapping[str, Any]) -> dict[str, Any]:
        """Write and delete items."""
        ((_, requests),) = RequestItems.items()
        assert 0 < len(requests) <= 25
        for request in requests:
            match request:
                case {"DeleteRequest": {"Key": key}}:
                    self._remove(key["pk"], key["sk"])
                case {"PutRequest": {"Item": item}}:
                    self._put(item["pk"], item["sk"], _checked(dict(item)))
            self.writes += 1
        return {}

    def query(
        self,
        TableName: str,
        KeyConditionExpression: str,
        ExpressionAttributeNames: Mapping[str, str],
        ExpressionAttributeValues: Mapping[str, Any],
        ConsistentRead: bool = False,
        Limit: int = 1000,
        ExclusiveStartKey: Mapping[str, str] | None = None,
        IndexName: str = "",
        ScanIndexForward: bool = True,
    ) -> dict[str, Any]:
        """Read a page of a partition, or all with a key of an index, sorted by ``at``."""
        assert TableName
        if IndexName:
            name, value = ExpressionAttributeNames["#pk"], ExpressionAttributeValues[":pk"]
            found = [item for item in self.items() if item.get(name) == value]
            return {"Items": sorted(found, key=lambda item: str(item["at"]), reverse=not ScanIndexForward)}
        assert ConsistentRead
        assert set(ExpressionAttributeNames.values()) <= {"pk", "sk"}
        bound = ExpressionAttributeValues.get(":sk", "")
        by_prefix = "begins_with" in KeyConditionExpression
        pk = ExpressionAttributeValues[":pk"]
        keys, partition = self._sorted[pk], self.partitions.get(pk, {})
        after = max(ExclusiveStartKey["sk"] if ExclusiveStartKey else "", "" if by_prefix else bound)
        first = bisect_right(keys, after) if after else bisect_left(keys, bound)
        page: list[Item] = []
        for sk in itertools.islice(keys, first, None):
            if by_prefix and not sk.startswith(bound):
                break
            if not self._is_expired(partition[sk]):
                if len(page) == Limit:
                    return {"Items": page, "LastEvaluatedKey": {"pk": pk, "sk": page[-1]["sk"]}}
                page.append(dict(partition[sk]))
        return {"Items": page}

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> None:
        """Make all changes, or none."""
        assert 0 < len(TransactItems) <= MAX_TRANSACTION
        changes = [next(iter(change.items())) for change in TransactItems]
        keys = [call["Item"] if kind == "Put" else call["Key"] for kind, call in changes]
        places = [(key["pk"], key["sk"]) for key in keys]
        if len(set(places)) < len(places):
            raise error("ValidationException", "TransactWriteItems")
        codes = ["None"] * len(changes)
        if self._conflicts():
            codes[0] = "TransactionConflict"
        for number, ((_, call), key) in enumerate(zip(changes, keys, strict=True)):
            if not self._holds(call, self._find(key)):
                codes[number] = "ConditionalCheckFailed"
        if set(codes) != {"None"}:
            reasons = [{"Code": code} for code in codes]
            raise error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)
        for (kind, call), (pk, sk) in zip(changes, places, strict=True):
            self._change(kind, call, pk, sk)

    def _holds(self, call: Mapping[str, Any], item: Item | None) -> bool:
        condition = call.get("ConditionExpression")
        if not condition:
            return True
        names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
        return all(_term(*term, names, values, item or {}) for term in _terms(condition))

    def _change(self, kind: str, call: Mapping[str, Any], pk: str, sk: str) -> None:
        if kind == "ConditionCheck":
            return
        self.writes += 1
        if kind == "Put":
            item = _checked(dict(call["Item"]))
            if pk.startswith("queue#"):
                place = (item["batch"], f"{item['pipeline']}#{item['same']}")
                self.queued.setdefault(place, item["ready_ms"] / 1000)
            self._put(pk, sk, item)
        elif kind == "Delete":
            self._remove(pk, sk)
        else:
            item = self._find({"pk": pk, "sk": sk}) or {"pk": pk, "sk": sk}
            self._put(pk, sk, _checked(_updated(call, item)))

    def _put(self, pk: str, sk: str, item: Item) -> None:
        partition = self.partitions.setdefault(pk, {})
        if sk not in partition:
            insort(self._sorted[pk], sk)
        partition[sk] = item

    def _remove(self, pk: str, sk: str) -> None:
        if self.partitions.get(pk, {}).pop(sk, None) is not None:
            del self._sorted[pk][bisect_left(self._sorted[pk], sk)]


def _checked(item: Item) -> Item:
    """Return an item that DynamoDB would take."""
    if _size(item) > MAX_ITEM_BYTES:
        raise error("ValidationException", "TransactWriteItems")
    for value in item.values():
        assert not isinstance(value, float | frozenset | tuple), item
        assert not (isinstance(value, set) and not value), item
    return item


def _size(value: Any) -> int:
    """Return about how many bytes DynamoDB counts for a value."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping):
        return sum(len(name) + _size(one) for name, one in value.items())
    return sum(map(_size, value)) if isinstance(value, set | list) else 1


@cache
def _terms(condition: str) -> tuple[tuple[str, tuple[str, ...], str], ...]:
    """Divide a condition: operator, path, value."""
    terms = []
    for text in condition.split(" AND "):
        if function := re.fullmatch(r"(attribute_exists|attribute_not_exists)\((#[\w.#]+)\)", text):
            terms.append((function[1], tuple(function[2].split(".")), ""))
        else:
            comparison = re.fullmatch(r"(#[\w.#]+) (=|<=|<|>) (:\w+)", text)
            assert comparison, condition
            terms.append((comparison[2], tuple(comparison[1].split(".")), comparison[3]))
    return tuple(terms)


def _term(
    operator: str, path: tuple[str, ...], value: str, names: Mapping[str, str], values: Mapping[str, Any], item: Any
) -> bool:
    for name in path:
        item = item.get(names[name]) if isinstance(item, Mapping) else None
    if operator == "attribute_exists":
        return item is not None
    if operator == "attribute_not_exists":
        return item is None
    if item is None:
        return False
    other = values[value]
    return bool({"=": item == other, "<=": operator == "<=" and item <= other}.get(operator, False))


@cache
def _clauses(update: str) -> tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]:
    clauses = []
    for verb, text in re.findall(r"(SET|ADD|REMOVE) (.+?)(?= SET | ADD | REMOVE |$)", update):
        clauses.append((verb, tuple(tuple(re.findall(r"[#:][\w.#]+|\+", part)) for part in text.split(", "))))
    return tuple(clauses)


def _updated(call: Mapping[str, Any], before: Item) -> Item:
    names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
    item = dict(before)
    for verb, parts in _clauses(call["UpdateExpression"]):
        for part in parts:
            *parents, name = [names[one] for one in part[0].split(".")]
            holder = item
            for parent in parents:
                holder[parent] = dict(holder[parent])
                holder = holder[parent]
            if verb == "REMOVE":
                holder.pop(name, None)
            elif verb == "ADD":
                holder[name] = holder.get(name, set()) | values[part[1]]
            elif len(part) == 4:  # #name = #name + :value
                holder[name] = before[name] + values[part[3]]
            else:
                holder[name] = values[part[1]]
    return item
