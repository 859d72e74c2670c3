"""Dead letters that nobody needs: deleted, and kept as verdicts in the log and in the history."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial

from pipeline_triggers import aws
from pipeline_triggers.history.record import Record, timestamp
from pipeline_triggers.history.table import History
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.operations.redrive import DeadLetter, take
from pipeline_triggers.operations.stacks import Stack


def discard(stack: Stack, matches: Callable[[DeadLetter], bool], reason: str) -> Iterator[DeadLetter]:
    """Delete the matching dead letters, and give each of them; who did it, and why, is recorded first.

    A message that can't be deleted after that is there again in an hour, and is recorded again.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: a request to AWS failed.

    """
    who = aws.sts().get_caller_identity()["Arn"]
    return take(stack, matches, partial(_record, stack, f"discarded by {who}: {reason}"))


def _record(stack: Stack, reason: str, letter: DeadLetter, body: str, queue: str) -> DeadLetter:
    del body, queue
    assert letter.contents  # noqa: S101 - every message that was received has some
    contents = letter.contents
    verdict = Verdict(
        Outcome.DISCARDED,
        letter.trigger or "unknown",
        contents.event_id or contents.id,
        subject=contents.subject or None,
        reason="; it was: ".join(filter(None, (reason, letter.reason))),
    )
    _log(stack.resources[f"{letter.handler}LogGroup"], verdict)
    if table := stack.resources.get("HistoryTable"):
        keep = int(stack.parameters["HistoryDays"]) * 24 * 3600
        at = timestamp(time.time())
        History(aws.dynamodb(), table, keep).write([Record(verdict, at, f"{at}#{contents.id}#DISCARDED")])
    # What could not be read can be discarded nevertheless.
    return DeadLetter(letter.handler, letter.trigger, letter.reason, contents=contents)


def _log(group: str, verdict: Verdict) -> None:
    """Write a verdict into a handler's log, as the handler itself would, in a stream of its own."""
    stream, now = f"discarded/{uuid.uuid4()}", time.time()
    known = {name: value for name, value in asdict(verdict).items() if value is not None}
    line = {"level": "INFO", "message": "verdict", "timestamp": timestamp(now), **known}
    client = aws.logs()
    client.create_log_stream(logGroupName=group, logStreamName=stream)
    client.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int(now * 1000), "message": json.dumps(line, ensure_ascii=False)}],
    )
