"""What a message may ask of the janitor."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.localaws.local_aws import deletion
from tests.simulation.janitor_world import (
    Account,
    everything,
)


def wrong_events() -> Iterator[tuple[str, Any]]:
    """Give events that are none of a pipeline that was deleted here."""
    for path, value in (
        (("detail", "errorCode"), "ConflictException"),
        (("account",), "210987654321"),
        (("region",), "us-east-1"),
        (("detail", "eventSource"), "codepipeline.amazonaws.com"),
        (("detail", "eventName"), "UpdatePipeline"),
        (("source",), "aws.codepipeline"),
    ):
        event: Any = copy.deepcopy(deletion("train"))
        inner = event
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value
        yield f"{path[-1]}={value}", event


@pytest.mark.parametrize("event", [event for _, event in wrong_events()], ids=[name for name, _ in wrong_events()])
def test_an_event_of_anything_else_removes_nothing(account: Account, event: Any) -> None:
    """A failed delete, another account or Region, another service's DeletePipeline: not even a call is made."""
    everything()
    assert account.deliver(json.dumps({"deletion": event}))
    assert account.calls == []
    assert account.queues.dead == []


WRONG_BODIES = [
    *("", "{", "[]", '{"sweep": "all"}', '{"deletion": 1}', "[" * 100_000),
    *('{"cleanup": {}}', '{"cleanup": {"orphans": [1]}}', '{"cleanup": {"orphans": 5, "removed": [], "kept": []}}'),
]


@pytest.mark.parametrize("body", WRONG_BODIES)
def test_unknown_messages_are_quarantined(account: Account, body: str) -> None:
    """With its reason, and without a retry."""
    assert account.deliver(body)
    (dead,) = account.queues.dead
    assert dead["MessageBody"] == body
    assert "the message is" in dead["MessageAttributes"]["reason"]["StringValue"]
