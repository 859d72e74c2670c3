"""Events on the stack's own bus; not on the default bus, where a trigger could match them."""

from __future__ import annotations

from pipeline_triggers import aws
from pipeline_triggers.errors import Waiting
from pipeline_triggers.settings import settings

SOURCE = "pipeline-triggers"


def put(detail_type: str, detail: str) -> None:
    """Put an event on the bus; ``detail`` is JSON.

    Raises:
        Waiting: EventBridge did not take the event.
        botocore.exceptions.BotoCoreError, ClientError: the request failed.

    """
    entry = {"EventBusName": settings().event_bus, "Source": SOURCE, "DetailType": detail_type, "Detail": detail}
    answer = aws.events().put_events(Entries=[entry])  # type: ignore[list-item]
    if answer["FailedEntryCount"]:
        (failed,) = answer["Entries"]
        raise Waiting(f"EventBridge did not take the event: {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")
