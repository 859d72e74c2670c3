"""EventBridge Scheduler of ministack 1.5.33, made to list by pages and to refuse what AWS refuses."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from ministack.services import scheduler
from ministack.services.cloudformation import provisioners

# AWS refuses a recurring schedule whose beginning lies further back.
_LEEWAY = 300  # seconds

_FIELDS = ("ScheduleExpressionTimezone", "StartDate", "EndDate")


def page() -> None:
    """List all schedules, by pages. ministack leaves out what does not fit on the first; goes when it has tokens."""
    list_schedules = scheduler._list_schedules

    def paged(query: dict[str, str]) -> Any:
        first, most = int(query.get("NextToken", 0)), int(query.get("MaxResults", 100))
        status, headers, body = list_schedules({**query, "MaxResults": "1000000000"})
        found = json.loads(body)["Schedules"]
        more = {"NextToken": str(first + most)} if len(found) > first + most else {}
        return status, headers, json.dumps({"Schedules": found[first : first + most], **more}).encode()

    scheduler._list_schedules = paged


def refuse_the_past() -> None:
    """Refuse a recurring schedule that began more than five minutes ago. Goes when ministack does."""
    for name in ("_create_schedule", "_update_schedule"):
        setattr(scheduler, name, _strict(getattr(scheduler, name)))


def _strict(call: Any) -> Any:
    def strict(name: str, body: dict[str, Any]) -> Any:
        start = scheduler._to_epoch(body.get("StartDate"))
        recurring = not body.get("ScheduleExpression", "").startswith("at(")
        if recurring and start is not None and start < time.time() - _LEEWAY:
            message = "The StartDate you specify cannot be earlier than 5 minutes ago."
            return scheduler._error(400, "ValidationException", message)
        return call(name, body)

    return strict


def often() -> None:
    """Look for what is due every 0.2 s. ministack 1.5.33 does every 10 s, AWS within the minute; for speed alone."""
    scheduler._SCHEDULE_TICK_INTERVAL = 0.2


def as_deployed() -> None:
    """Keep the zone, start and end of deployed schedules. Goes when ministack's CloudFormation hands them on."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    create, update = handlers["create"], handlers["update"]

    def keep(name: str, properties: Mapping[str, Any]) -> None:
        group = properties.get("GroupName", "default")
        kept = {field: properties.get(field) for field in _FIELDS}
        for field in ("StartDate", "EndDate"):
            kept[field] = scheduler._to_epoch(kept[field])
        kept["ScheduleExpressionTimezone"] = kept["ScheduleExpressionTimezone"] or "UTC"
        scheduler._schedules[f"{group}/{name}"].update(kept)

    def create_whole(logical_id: str, properties: Any, stack: str) -> Any:
        name, attributes = create(logical_id, properties, stack)
        keep(name, properties)
        return name, attributes

    def update_whole(name: str, former: Any, properties: Any, stack: str) -> Any:
        name, attributes = update(name, former, properties, stack)
        keep(name, properties)
        return name, attributes

    handlers |= {"create": create_whole, "update": update_whole}
