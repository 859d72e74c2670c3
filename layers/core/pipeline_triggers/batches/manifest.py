"""What an execution gets of its batch: the ManifestFile, the list of events, ``$batch``: pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline_triggers.batches.models import Batch, Member
from pipeline_triggers.batches.rules import lacking

MAX_MANIFEST_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class View:
    """The variable ``$batch``; ``first`` and ``last`` are what the batch keeps of those events, by event time."""

    id: str
    by: str
    count: int
    bytes: int
    parts: tuple[str, ...]
    missing: tuple[str, ...] | int
    prefix: str
    revision: int
    first: Mapping[str, Any]
    last: Mapping[str, Any]
    depth: int
    manifest: str = ""
    events: str = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file to write; its key holds the hash of its content, so that two attempts never overwrite each other."""

    key: str
    content: bytes


def newest(members: Iterable[Member]) -> list[Member]:
    """Return the members in the order of event time, of one S3 object only the newest event.

    Sequencers of one key are hexadecimal numbers of different lengths: padded on the right, they sort like text.
    """
    kept: dict[str, Member] = {}
    for member in members:
        key = f"{member.data['bucket']}/{member.data['key']}" if "key" in member.data else f"event {member.mark}"
        if key not in kept or _sequence(kept[key]) < _sequence(member):
            kept[key] = member
    return sorted(kept.values(), key=lambda member: (member.at, member.mark))


def _sequence(member: Member) -> tuple[str, str, str]:
    return (str(member.data.get("sequencer", "")).ljust(64, "0"), member.at, member.mark)


def view(batch: Batch, members: Sequence[Member]) -> View:
    """Describe a batch with all its members, as expressions see it."""
    parts = frozenset(member.part for member in members if member.part)
    objects = [member.data for member in members if "key" in member.data]
    return View(
        id=batch.id,
        by=batch.by,
        count=len(members),
        bytes=sum(int(one.get("size", 0)) for one in objects),
        parts=tuple(sorted(parts)),
        missing=lacking(batch.expect, parts),
        prefix=_folder([f"s3://{one['bucket']}/{one['key']}" for one in objects]),
        revision=batch.revision,
        first=members[0].data if members else {},
        last=members[-1].data if members else {},
        depth=max((member.depth for member in members), default=0),
    )


def _folder(uris: Sequence[str]) -> str:
    """Return the longest folder that holds all of them, "" where there is none."""
    if not uris:
        return ""
    first, last = min(uris), max(uris)
    common = next((at for at, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), len(first))
    folder = first[: first.rfind("/", 0, common) + 1]
    return folder if len(folder) > len("s3://") else ""


def files(batch: Batch, members: Sequence[Member]) -> dict[str, File]:
    """Return the files of a batch: the events, and for objects of one bucket their ManifestFile."""
    lines = (json.dumps(dict(member.data), ensure_ascii=False, sort_keys=True) for member in members)
    made = {"events": _file(batch, "events.jsonl", "".join(f"{line}\n" for line in lines).encode())}
    buckets = {member.data.get("bucket") for member in members}
    if len(buckets) == 1 and None not in buckets:
        entries: list[Any] = [{"prefix": f"s3://{buckets.pop()}/"}, *sorted(member.data["key"] for member in members)]
        content = json.dumps(entries, ensure_ascii=False).encode()
        if len(content) <= MAX_MANIFEST_BYTES:
            made["manifest"] = _file(batch, "manifest.json", content)
    return made


def _file(batch: Batch, name: str, content: bytes) -> File:
    return File(f"batches/{batch.trigger}/{batch.id}/{hashlib.sha256(content).hexdigest()[:16]}.{name}", content)
