"""A backfill starts each object once, as its preview said, whenever it is killed, and leaves live events in front."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pytest
from pipeline_triggers import aws
from pipeline_triggers.history.table import History
from pipeline_triggers.operations import backfill
from pipeline_triggers.operations.backfill import Item, Target

from tests.simulation.backfill_world import QUEUE, UPLOADS, BackfillWorld


def world(count: int) -> BackfillWorld:
    """Return a deployed trigger, and a bucket with so many objects."""
    return BackfillWorld({UPLOADS.id: UPLOADS}, {}, count=count)


def started(world: BackfillWorld) -> Counter[str]:
    """Return how often each object was started."""
    return Counter(one.parameters["Uri"] for one in world.executions)


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=pytest.mark.thorough)])
def test_killed_at_twenty_points_it_starts_each_object_once_as_previewed(count: int) -> None:
    """Before or after any of its calls; by then the handler has processed some of what was sent, or all of it."""
    random_ = random.Random(count)  # noqa: S311 - no secret
    backfilled = world(count)
    killed = 0
    with backfilled.installed():
        previewed = backfilled.preview()
        while killed < 20:
            calls = 2 * count + count // 5  # of a whole run: two looks at each object's records, and the sends
            killed += not backfilled.backfill(kill_at=random_.randrange(1, calls))
            if random_.random() < 0.5:
                backfilled.work()
        assert backfilled.backfill()
        backfilled.work()
    assert started(backfilled) == dict.fromkeys(previewed, 1)
    assert len(previewed) == count
    assert {one.parameters["Uri"]: one.parameters for one in backfilled.executions} == previewed


def test_what_its_own_event_has_started_is_not_started_again() -> None:
    """Of the same version: before the preview, and between the preview and the send."""
    backfilled = world(30)
    with backfilled.installed():
        for number in range(10):
            backfilled.upload_live(number)
        backfilled.work()
        assert len(backfilled.preview()) == 20
        items = [item for item, _ in backfilled._previewed("")]
        backfilled.commanding = False
        for number in range(10, 15):
            backfilled.upload_live(number)
        backfilled.work()
        list(backfill.send(backfilled._target(""), QUEUE, items, 1.0, backfilled.sleep))
        backfilled.work()
        assert set(started(backfilled).values()) == {1}
        assert len(backfilled.executions) == 30
        assert backfilled.preview() == {}


def test_another_version_of_the_object_is_another_upload() -> None:
    """The records know which one was started."""
    backfilled = world(1)
    with backfilled.installed():
        backfilled.upload_live(0)
        backfilled.work()
        assert backfilled.preview() == {}
        with patch.object(
            backfilled, "_version", lambda number: {**BackfillWorld._version(backfilled, number), "VersionId": "w"}
        ):
            assert len(backfilled.preview()) == 1


def test_again_starts_all_once_more_and_only_once_under_one_name() -> None:
    """A run that broke off goes on under the same name."""
    backfilled = world(30)
    with backfilled.installed():
        for again, times in (("", 1), ("", 1), ("second", 2), ("second", 2), ("third", 3)):
            backfilled.backfill(again=again)
            backfilled.work()
            assert set(started(backfilled).values()) == {times}


class SlowQueue:
    """A queue whose handler takes ``service`` messages a second; SQS counts what waits ``LAG`` seconds late."""

    LAG = 60

    def __init__(self, service: float) -> None:
        self.service = service
        self.now = 0.0
        self.free_at = 0.0
        self.ends: deque[float] = deque()
        self.counts: list[tuple[float, int]] = [(0, 0)]
        self.waits: list[float] = []
        self.next_live = 0.0

    def arrive(self) -> float:
        """Put a message into the queue; return how long it waits."""
        self.free_at = max(self.free_at, self.now) + 1 / self.service
        self.ends.append(self.free_at)
        return self.free_at - self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, with a live event every ten seconds."""
        until = self.now + seconds
        while self.next_live <= until:
            self.now = max(self.now, self.next_live)
            self.waits.append(self.arrive())
            self.next_live += 10
            self._note()
        self.now = until
        self._note()

    def _note(self) -> None:
        while self.ends and self.ends[0] <= self.now:
            self.ends.popleft()
        self.counts.append((self.now, len(self.ends)))

    def get_queue_attributes(self, **_: Any) -> Any:
        """Answer with the count of a while ago."""
        known = [number for at, number in self.counts[-500:] if at <= self.now - self.LAG] or [0]
        return {"Attributes": {"ApproximateNumberOfMessages": str(known[-1])}}

    def send_message_batch(self, Entries: Sequence[Any], **_: Any) -> Any:  # noqa: N803 - boto3's name
        """Take messages of the backfill."""
        for _entry in Entries:
            self.arrive()
        return {}


@pytest.mark.parametrize("service", [0.7, 1.0, 4.0])
def test_live_events_wait_less_than_a_minute_longer(monkeypatch: pytest.MonkeyPatch, service: float) -> None:
    """Behind a backfill of 2,000 objects, though SQS counts late: with handlers of several speeds."""
    monkeypatch.setattr(Target, "is_done", lambda *_: False)
    items = [Item(f"s3://raw/{number}", "v", {}) for number in range(2000)]
    queue = SlowQueue(service)
    monkeypatch.setattr(aws, "sqs", lambda: queue)
    target = Target(UPLOADS, History(None, ""))  # no records are asked for
    assert sum(backfill.send(target, "queue", items, 1.0, queue.sleep)) == 2000
    alone = 1 / service
    assert max(queue.waits) - alone < 60
