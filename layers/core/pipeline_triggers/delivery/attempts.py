"""What the deliveries of a message came to: how often in a row it failed, or crashed its function, and its verdicts.

An item per message in the table of the ledger, made only when a message was delivered more than once, failed or was
rejected. Each write says what is so, and never how much more there is: botocore may make it twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.starts.ledger import KEPT

MAX_REASON_LENGTH = 500  # as the table keeps it; an item has room for 400 KB


@dataclass(frozen=True, slots=True)
class Attempts:
    """What earlier deliveries of a message came to.

    ``crashes`` and ``failures`` count deliveries since the last one that ended in order: those that ended the function
    while it processed this message, and those that failed. ``verdicts`` are the final ones, once there are any.
    """

    crashes: int = 0
    failures: int = 0
    verdicts: tuple[Verdict, ...] = ()


NONE = Attempts()


def read(message: str, receives: int) -> Attempts:
    """Return what the deliveries before this one, a message's ``receives``-th, came to."""
    if receives == 1:
        return NONE
    response: dict[str, Any] = _table().get_item(Key=_key(message), ConsistentRead=True)
    item = response.get("Item", {})
    return Attempts(
        crashes=len(item.get("begun", ())),
        failures=len(item.get("failed", ())),
        verdicts=tuple(_verdict(**verdict) for verdict in json.loads(item.get("verdicts", "[]"))),
    )


def begin(message: str, receives: int) -> None:
    """Note that a delivery begins to process a message; until its end is noted it counts as a crash.

    Nothing is written for the first one: what it crashes is counted from the second one on.
    """
    if receives > 1:
        _update(message, "ADD begun :this SET expires = :expires", {":this": {receives}})


def waits(message: str, receives: int) -> None:
    """Note that a delivery ended in order, and the message waits."""
    if receives > 1:
        _update(message, "SET expires = :expires REMOVE begun, failed")


def failed(message: str, receives: int) -> None:
    """Note that a delivery ended in order, and failed."""
    _update(message, "ADD failed :this SET expires = :expires REMOVE begun", {":this": {receives}})


def decided(message: str, _receives: int, verdicts: Iterable[Verdict]) -> None:
    """Note the final verdicts of a message, which is not processed again."""
    noted = [{**asdict(verdict), "reason": (verdict.reason or "")[:MAX_REASON_LENGTH] or None} for verdict in verdicts]
    _update(
        message, "SET verdicts = :verdicts, expires = :expires REMOVE begun, failed", {":verdicts": json.dumps(noted)}
    )


def _verdict(outcome: str, **fields: Any) -> Verdict:
    return Verdict(Outcome(outcome), **fields)


def _update(message: str, expression: str, values: Mapping[str, Any] | None = None) -> None:
    _table().update_item(
        Key=_key(message),
        UpdateExpression=expression,
        ExpressionAttributeValues={**(values or {}), ":expires": int(time.time()) + KEPT},
    )


def _table() -> Any:
    return aws.table(settings().state_table)


def _key(message: str) -> dict[str, str]:
    return {"id": f"message#{message}"}
