"""Raw payloads → Occurrences. Raw JSON stops here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Occurrence


@dataclass(frozen=True, slots=True)
class Message:
    """What a rule puts into a handler's queue: the trigger's id and the event as EventBridge delivered it."""

    trigger: str
    event: Mapping[str, Any]

    @property
    def event_id(self) -> str:
        """The id that EventBridge gave the event, the same for every delivery; "" when it has none."""
        return str(self.event.get("id", ""))


def message(body: str) -> Message:
    """Parse the body of a queue message.

    Raises:
        Rejected: the body is not what the compiled rules send.

    """
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the message is no JSON: {error}") from error
    match raw:
        case {"trigger": str(trigger), "event": dict(event)}:
            return Message(trigger, event)
    raise Rejected('the message is not {"trigger": "<team>/<name>", "event": {…}}, as the compiled rules send it')


def s3_upload(event: Mapping[str, Any]) -> Occurrence:
    """Read S3's "Object Created" event and bind ``$object``.

    The key is used as it stands: EventBridge delivers it raw, unlike S3's notifications to SNS, SQS and
    Lambda, which are url-encoded. That is why Powertools' S3EventBridgeNotificationEvent does not serve
    here: it decodes, and so would damage every key that holds ``+`` or ``%``.

    Raises:
        Rejected: the event is no "Object Created".

    """
    match event:
        case {
            "id": str(event_id),
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as s3_object} as detail,
        }:
            bound = {
                "bucket": bucket,
                "key": key,
                "name": key.rpartition("/")[2],
                "uri": f"s3://{bucket}/{key}",
                "size": s3_object.get("size"),
                "etag": s3_object.get("etag"),
                "version_id": s3_object.get("version-id"),
                "sequencer": s3_object.get("sequencer"),
                "reason": detail.get("reason"),
            }
            version = str(bound["version_id"] or bound["etag"] or "")
            return Occurrence(
                event_id=event_id,
                identity=("s3", bucket, key, version, str(bound["sequencer"] or "")),
                event=event,
                bindings={"object": {name: value for name, value in bound.items() if value is not None}},
            )
    raise Rejected("the event is no S3 Object Created: it lacks id, detail.bucket.name or detail.object.key")
