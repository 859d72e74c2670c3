"""``when: {s3: …}``: uploads, as S3 sends them to EventBridge."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import globs
from pipeline_triggers.language.sources.source import (
    Event,
    Field,
    Fields,
    Pattern,
    Source,
    Write,
    in_detail,
    name_matchers,
)
from pipeline_triggers.models import Occurrence
from pipeline_triggers.text import brief

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MAX_KEY_BYTES = 1024


def _bucket_problem(bucket: str) -> str | None:
    if _BUCKET.fullmatch(bucket) and ".." not in bucket:
        return None
    if ":" in bucket or "/" in bucket:
        return f"{brief(bucket)} is not the name of a bucket; write the name alone, without s3:// or arn:"
    return f"{brief(bucket)} is not the name of a bucket; use lower-case letters, digits, dots and dashes"


def _key_problem(glob: str) -> str | None:
    if glob.startswith(("s3://", "/", "{%", "$.")):
        return f"{brief(glob)} is not a key; write it as S3 lists it, without s3://, the bucket or a leading /"
    if len(glob.replace("*", "").encode()) > _MAX_KEY_BYTES:
        return f"matches nothing; a key of S3 has {_MAX_KEY_BYTES} bytes at most"
    return globs.check(glob)


def _pattern(fields: Fields, write: Write) -> Pattern:
    detail: Pattern = {"bucket": {"name": [write(fields["bucket"])]}}
    if key := name_matchers(fields.get("key"), write):
        detail["object"] = {"key": key}
    return {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}


def read(event: Event) -> Occurrence:
    """Read S3's "Object Created" event and bind ``$object``.

    The key is used as it is: EventBridge delivers it raw, unlike S3's notifications to SNS, SQS and Lambda, which are
    url-encoded. That is why Powertools' S3EventBridgeNotificationEvent does not serve here: it decodes, and so would
    damage every key that holds ``+`` or ``%``.

    Raises:
        Rejected: the event is not an "Object Created".

    """
    if event.get("detail-type", "Object Created") != "Object Created":
        raise Rejected(f"the event is not an S3 Object Created, but {event['detail-type']}")
    match event:
        case {
            "id": str(event_id),
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key)} as s3_object} as detail,
        }:
            bound = bind(
                bucket,
                key,
                size=s3_object.get("size"),
                etag=s3_object.get("etag"),
                version_id=s3_object.get("version-id"),
                sequencer=s3_object.get("sequencer"),
                reason=detail.get("reason"),
            )
            return Occurrence(event_id, bound["uri"], identity(bound), event, {"object": bound})
    raise Rejected("the event is not an S3 Object Created: it lacks id, detail.bucket.name or detail.object.key")


def bind(bucket: str, key: str, **more: Any) -> dict[str, Any]:
    """Return ``$object``, without what S3 does not give."""
    bound = {"bucket": bucket, "key": key, "name": key.rpartition("/")[2], "uri": f"s3://{bucket}/{key}", **more}
    return {name: value for name, value in bound.items() if value is not None}


def identity(bound: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what tells one upload from every other, by whichever way S3 reports it."""
    version = bound.get("version_id") or bound.get("etag") or ""
    return ("s3", bound["bucket"], bound["key"], str(version), str(bound.get("sequencer", "")))


def _fit(event: Event, fields: Fields) -> Event:
    """Give the sample a key that the glob matches, so that what the expressions take out of it is there."""
    if "key" not in fields:
        return event
    detail = event["detail"]
    key = fields["key"].replace("**", "a/b").replace("*", "2026-10")
    return {**event, "detail": {**detail, "object": {**detail["object"], "key": key}}}


SOURCE = Source(
    name="s3",
    description="An object was created in a bucket that sends its events to EventBridge.",
    handler="OnS3Upload",
    fields={
        "bucket": Field(
            "The bucket's name.", required=True, problem=_bucket_problem, value=in_detail("bucket", "name")
        ),
        "key": Field(
            "A glob for the whole key: * stays within a path segment, ** stands for whole segments."
            " Every key when left out.",
            problem=_key_problem,
            value=in_detail("object", "key"),
            glob=globs.matches,
        ),
    },
    pattern=_pattern,
    read=read,
    fit=_fit,
    places={
        "bucket": "detail.bucket.name",
        "key": "detail.object.key",
        "size": "detail.object.size",
        "etag": "detail.object.etag",
        "version_id": "detail.object.version-id",
        "sequencer": "detail.object.sequencer",
        "reason": "detail.reason",
    },
)
