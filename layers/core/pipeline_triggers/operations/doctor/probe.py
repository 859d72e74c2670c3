"""A probe: a message without an event through a trigger's queue and handler, which starts nothing."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline_triggers import aws
from pipeline_triggers.language.sources import starter
from pipeline_triggers.models import Outcome, Trigger
from pipeline_triggers.operations import describe
from pipeline_triggers.operations.run import CLOCKS_DIFFER_BY, PAUSE
from pipeline_triggers.operations.stacks import Stack
from pipeline_triggers.operations.verdict_log import LoggedVerdict, verdicts

ENABLED = "ENABLED"
PATIENCE = 60  # seconds; a cold start takes a few


@dataclass(frozen=True, slots=True)
class Step:
    """A link of the way that was looked at or probed, what was seen, and whether it works."""

    link: str
    seen: str
    works: bool


def probe(stack: Stack, trigger: Trigger, patience: float = PATIENCE) -> Iterator[Step]:
    """Look at what fires a trigger, which only AWS can let fire, then send a probe through each of its handlers.

    Raises:
        NotDeployed: the stack holds nothing of this trigger.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    for view in trigger.views():
        found = describe.deployed(stack, view)
        yield Step(found.kind, f"{found.state}; looked at, not probed", found.state == ENABLED)
    for handler in sorted({starter(view) for view in trigger.views()}):
        yield _sent(stack, trigger, handler, patience)


def _sent(stack: Stack, trigger: Trigger, handler: str, patience: float) -> Step:
    """Send a probe to a handler's queue, and wait for its verdict in the handler's log."""
    id_, log_group, begin = f"probe-{uuid.uuid4()}", stack.resources[f"{handler}LogGroup"], datetime.now(UTC)
    body = json.dumps({"trigger": trigger.id, "probe": id_})
    aws.sqs().send_message(QueueUrl=stack.resources[f"{handler}Queue"], MessageBody=body)
    link, deadline = f"queue and function {handler}", time.monotonic() + patience
    while True:
        for one in verdicts(log_group, begin - CLOCKS_DIFFER_BY, event_id=id_):
            return Step(link, _words(one, begin), one.verdict.outcome is Outcome.PROBED)
        if time.monotonic() >= deadline:
            return Step(link, f"no verdict within {patience:.0f} seconds; triggers doctor says why", works=False)
        time.sleep(PAUSE)


def _words(logged: LoggedVerdict, begin: datetime) -> str:
    seconds = max(0.0, (logged.at - begin).total_seconds())
    return f"{logged.verdict.outcome} after {seconds:.0f} seconds: {logged.verdict.reason}"
