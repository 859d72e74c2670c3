"""Events on the stack's own bus; not on the default bus, where a trigger could match them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.errors import Waiting
from pipeline_triggers.settings import settings

SOURCE = "pipeline-triggers"
MAX_ENTRIES = 10  # of one call; EventBridge


def put(detail_type: str, details: Sequence[str]) -> None:
    """Put events on the bus; each of ``details`` is JSON.

    Raises:
        Waiting: EventBridge did not take one of them.
        botocore.exceptions.BotoCoreError, ClientError: a request failed.

    """
    about = {"EventBusName": settings().event_bus, "Source": SOURCE, "DetailType": detail_type}
    entries: list[Any] = [{**about, "Detail": detail} for detail in details]
    for first in range(0, len(entries), MAX_ENTRIES):
        answer = aws.event_bus().put_events(Entries=entries[first : first + MAX_ENTRIES])
        if answer["FailedEntryCount"]:
            failed = next(entry for entry in answer["Entries"] if "ErrorCode" in entry)
            message = f"{failed['ErrorCode']}: {failed.get('ErrorMessage')}"
            raise Waiting(f"EventBridge did not take the event: {message}")
