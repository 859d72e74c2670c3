"""S3's own notifications, as a topic brings them → Occurrences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.language.sources import s3
from pipeline_triggers.models import Occurrence


def records(body: object) -> list[Any]:
    """Return the records of a notification; an empty list where the message is not one of S3.

    Raises:
        Filtered: S3 only tests whether it may publish.

    """
    match body:
        case {"Service": "Amazon S3", "Event": "s3:TestEvent"}:
            raise Filtered("S3 tests whether it may publish to this topic")
        case {"Records": list(records)} if any(_is_of_s3(record) for record in records):
            return records
    return []


def _is_of_s3(record: object) -> bool:
    return isinstance(record, dict) and record.get("eventSource") == "aws:s3"


def upload(message: Occurrence, record: Any) -> Occurrence:
    """Read a record, in which keys are url-encoded, unlike in S3's events on EventBridge; bind ``$object``.

    Raises:
        Filtered: the record reports something else than an upload.
        Rejected: the record is not one that S3 sends.

    """
    match record:
        case {"eventName": str(name)} if not name.startswith("ObjectCreated:"):
            raise Filtered(f"S3 reports {name}, which is not an upload")
        case {"eventName": str(), "s3": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as s3_object}}:
            bound = s3.bind(
                bucket,
                unquote_plus(key),
                size=s3_object.get("size"),
                etag=s3_object.get("eTag"),
                version_id=s3_object.get("versionId"),
                sequencer=s3_object.get("sequencer"),
                reason=record.get("eventName"),
            )
            bindings = {**message.bindings, "object": bound}
            return replace(message, subject=bound["uri"], identity=s3.identity(bound), bindings=bindings)
    raise Rejected("the record is not a notification of S3: it lacks s3.bucket.name or s3.object.key")
