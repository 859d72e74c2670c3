"""Events that never came, or came before their trigger: objects and scheduled times go through its handler's queue.

There is no state of its own. What was started or collected is in the records of verdicts; and an item has the same
identity each time that it is sent, so that a backfill that was killed is run again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.delivery.admission import match_fields
from pipeline_triggers.documents.next_times import next_times
from pipeline_triggers.errors import Filtered, Rejected, Waiting
from pipeline_triggers.events import eventbridge
from pipeline_triggers.events.envelope import Arrival
from pipeline_triggers.history.table import History
from pipeline_triggers.language import globs
from pipeline_triggers.language.sources.schedule import scheduled
from pipeline_triggers.models import Outcome, Trigger
from pipeline_triggers.operations.explain import Explanation, judge
from pipeline_triggers.operations.run import scheduled_event

MAX_MESSAGES = 10  # of one call; SQS
# Live events wait behind this many at most; SQS counts them up to a minute late, so that the rate bounds them, too.
AHEAD = 5

# What has come of an event that is not started again, be it of its execution's end.
_ENDS = frozenset({Outcome.SUCCEEDED, Outcome.FAILED, Outcome.STOPPED})
_DONE = _ENDS | {Outcome.STARTED, Outcome.COLLECTED, Outcome.DUPLICATE, Outcome.WAITING}


@dataclass(frozen=True, slots=True)
class Item:
    """An object or a scheduled time to catch up with: its event, and by what records know it.

    ``version`` is that of the object, else its ETag; of a schedule the scheduled time.
    """

    subject: str
    version: str
    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """What a backfill is for: a trigger as one of its sources sees it; ``again`` tells it from all before."""

    view: Trigger
    history: History
    again: str = ""

    def is_done(self, item: Item) -> bool:
        """Whether records say that this very version was started or collected, for all of the trigger's pipelines."""
        if self.again:
            return False
        ids = {self.view.id, *self.view.was}
        done = set()
        for record in self.history.of_subject(item.subject):
            verdict = record.verdict
            same = item.version in (verdict.version, verdict.event_time)
            if verdict.trigger in ids and verdict.outcome in _DONE and same:
                done.add(verdict.pipeline)
        return None in done or done >= {start.pipeline for start in self.view.start}

    def preview(self, item: Item) -> list[Explanation]:
        """Say what the handler would decide.

        Raises:
            botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

        """
        if self.is_done(item):
            return [Explanation(self.view.id, "DUPLICATE", reason="started or collected before")]
        read = eventbridge.read(item.event, self.view.when.source)
        return list(judge(self.view, Arrival(self.view.id, str(item.event["id"]), read, self.view.part)))

    def message(self, item: Item) -> str:
        """Return the message of the handler's queue."""
        more = {"part": self.view.part, "again": self.again}
        known = {name: value for name, value in more.items() if value}
        return json.dumps({"trigger": self.view.id, "event": item.event, **known})


def objects(view: Trigger, prefix: str, until: datetime) -> Iterator[Item]:
    """List the objects of a trigger's bucket that its key's glob matches, last modified until a time.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    bucket, glob = view.when.fields["bucket"], view.when.fields.get("key", "**")
    literal = globs.literal_prefix(glob) if "*" in glob else glob
    if not (literal.startswith(prefix) or prefix.startswith(literal)):
        return
    pages = aws.s3().get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=max(literal, prefix, key=len))
    for page in pages:
        for one in page.get("Versions", ()):
            if one["IsLatest"]:
                yield from _matching(view, _item(bucket, one), one["LastModified"], until)


def named_objects(view: Trigger, keys: Iterable[str], until: datetime) -> Iterator[Item]:
    """Look up the objects of a trigger's bucket with these keys, last modified until a time.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: one is not there, or a request to AWS failed.

    """
    bucket = view.when.fields["bucket"]
    for key in keys:
        head = aws.s3().head_object(Bucket=bucket, Key=key)
        one = {"Key": key, "Size": head["ContentLength"], **head}
        yield from _matching(view, _item(bucket, one), head["LastModified"], until)


def _matching(view: Trigger, item: Item, modified: datetime, until: datetime) -> Iterator[Item]:
    try:
        match_fields(view, eventbridge.read(item.event, "s3"))
    except Filtered:
        return
    if modified <= until:
        yield item


def _item(bucket: str, one: Mapping[str, Any]) -> Item:
    """Return the item of an object as S3 describes it. A listing has no sequencer, and no reason of the upload."""
    etag, version = one["ETag"].strip('"'), one.get("VersionId", "null")
    described = {"key": one["Key"], "size": one["Size"], "etag": etag}
    described |= {"version-id": version} if version != "null" else {}
    event = {
        "version": "0",
        "id": _id("s3", bucket, one["Key"], version, etag),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": f"{one['LastModified'].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {"bucket": {"name": bucket}, "object": described, "reason": "Backfill"},
    }
    occurrence = eventbridge.read(event, "s3")
    return Item(occurrence.subject, occurrence.version, event)


def times(view: Trigger, schedule: Mapping[str, Any], begin: datetime, end: datetime) -> Iterator[Item]:
    """Give the times of a trigger's schedule between two times, both included; ``schedule`` is GetSchedule's answer.

    Raises:
        Rejected: only AWS knows the times.

    """
    following = next_times(view.when, begin - timedelta(seconds=1))
    if following is None:
        raise Rejected("a rate without a start counts from its deployment; AWS does not say when it was due")
    for due in takewhile(lambda time: time.astimezone(UTC) <= end, following):
        time = scheduled(due.isoformat(), "UTC")["time"]
        event = scheduled_event(schedule, time, _id("schedule", schedule["Arn"], time))
        yield Item(schedule["Arn"], time, event)


def _id(*identity: str) -> str:
    return f"backfill-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]}"


def send(
    target: Target, queue: str, items: Sequence[Item], rate: float, sleep: Callable[[float], None]
) -> Iterator[int]:
    """Send items to a handler's queue, so many per second at most and few at a time; yield how many are dealt with.

    Raises:
        Waiting: SQS does not take a message.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    for first in range(0, len(items), MAX_MESSAGES):
        some = items[first : first + MAX_MESSAGES]
        while _waiting(queue) > AHEAD:
            sleep(MAX_MESSAGES / rate)
        # Live events may have started some of them since the preview.
        entries: list[Any] = [
            {"Id": str(number), "MessageBody": target.message(item)}
            for number, item in enumerate(some)
            if not target.is_done(item)
        ]
        if entries and (failed := aws.sqs().send_message_batch(QueueUrl=queue, Entries=entries).get("Failed")):
            raise Waiting(f"SQS does not take {len(failed)} messages now: {failed[0]['Code']}; run this again")
        yield len(some)
        sleep(len(entries) / rate)


def _waiting(queue: str) -> int:
    answer = aws.sqs().get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])
