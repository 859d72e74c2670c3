"""What the janitor removed, as it was: an item in a table for each schedule and rule target, for a stated time."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.janitor.cleanups import Orphan


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A schedule or target right before its removal: by which clean-up, and when (a Unix time).

    ``was`` holds GetSchedule's answer, or of a rule's target the ``rule``, its ``tags`` and the ``target``.
    """

    orphan: Orphan
    cleanup: str
    taken_at: int
    was: Mapping[str, Any]


def put(table: str, snapshot: Snapshot, keep_days: int) -> None:
    """Keep a snapshot. Scheduler's largest Input, 256 KB, leaves room below DynamoDB's 400 KB."""
    item = {
        **_key(snapshot.orphan),
        "orphan": asdict(snapshot.orphan),
        "cleanup": snapshot.cleanup,
        "taken_at": snapshot.taken_at,
        # DynamoDB has no type for times, and returns every number as a Decimal; these APIs have whole ones only.
        "was": json.loads(json.dumps(snapshot.was, default=datetime.isoformat)),
        "expires": int(time.time()) + keep_days * 24 * 3600,
    }
    aws.table(table).put_item(Item=item)


def get(table: str, orphan: Orphan) -> Snapshot | None:
    """Return the snapshot of one thing, if there is one."""
    item = aws.table(table).get_item(Key=_key(orphan), ConsistentRead=True).get("Item")
    return _snapshot(item) if item else None


def of_pipeline(table: str, name: str) -> Iterator[Snapshot]:
    """Yield all snapshots of what pointed at a pipeline."""
    yield from _all(
        aws.table(table).query,
        KeyConditionExpression="#pipeline = :pipeline",
        ExpressionAttributeNames={"#pipeline": "pipeline"},
        ExpressionAttributeValues={":pipeline": name.lower()},
    )


def everything(table: str) -> Iterator[Snapshot]:
    """Yield all snapshots; the table holds claims of clean-ups, too."""
    yield from _all(aws.table(table).scan, FilterExpression="attribute_exists(orphan)")


def _all(read: Any, **arguments: Any) -> Iterator[Snapshot]:
    while True:
        page = read(**arguments, ConsistentRead=True)
        yield from map(_snapshot, page["Items"])
        if "LastEvaluatedKey" not in page:
            return
        arguments["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _key(orphan: Orphan) -> dict[str, Any]:
    thing = "/".join(filter(None, (orphan.kind, orphan.place, orphan.name, orphan.target)))
    return {"pipeline": orphan.pipeline.lower(), "thing": thing}


def _snapshot(item: Mapping[str, Any]) -> Snapshot:
    return Snapshot(Orphan(**item["orphan"]), item["cleanup"], int(item["taken_at"]), item["was"])
