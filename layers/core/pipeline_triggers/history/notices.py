"""Verdicts as events on the stack's bus, each with a text that says what to do; ``notify`` of a document hears them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from pipeline_triggers import bus
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.text import span

DETAIL_TYPE = "Trigger Verdict"

# What goes on the bus: what a person has to know, and how each run ended.
PUBLISHED = frozenset(
    {Outcome.REJECTED, Outcome.MISSED, Outcome.SUCCEEDED, Outcome.FAILED, Outcome.STOPPED, Outcome.PAUSED}
)


def announce(verdicts: Iterable[Verdict]) -> None:
    """Put verdicts that are of interest elsewhere on the stack's bus.

    Raises:
        Waiting: EventBridge did not take one of them.
        botocore.exceptions.BotoCoreError, ClientError: a request failed.

    """
    if details := [_detail(verdict) for verdict in verdicts if verdict.outcome in PUBLISHED]:
        bus.put(DETAIL_TYPE, details)


def _detail(verdict: Verdict) -> str:
    known = {name: value for name, value in asdict(verdict).items() if value is not None and name != "parameters"}
    # Escaped: what is not valid Unicode can't be sent otherwise.
    return json.dumps({**known, "text": text(verdict, settings().stack)})


def text(verdict: Verdict, stack: str) -> str:
    """Return one line for a person: what happened to what, why, and the command to go on with."""
    where = f"--stack {stack}"
    reason = verdict.reason or "without a reason"
    match verdict.outcome:
        case Outcome.REJECTED:
            happened = f"nothing was started for {verdict.subject or verdict.event_id}: {reason}"
            command = f"fix it, then: triggers redrive --trigger {verdict.trigger} {where}"
        case Outcome.MISSED:
            happened = f"{verdict.subject or 'its batch'} is incomplete: {reason}"
            command = f"triggers batches --trigger {verdict.trigger} {where}"
        case Outcome.PAUSED:
            happened = f"{reason}, the last one {verdict.execution_arn}; its events wait"
            command = f"after a fix: triggers resume {verdict.trigger} {where}"
        case _:
            took = f" after {span(verdict.seconds)}" if verdict.seconds is not None else ""
            why = f": {verdict.reason}" if verdict.reason else ""
            happened = f"the run of {verdict.pipeline} for {verdict.subject or verdict.event_id} ended{took}{why}"
            command = f"triggers why {verdict.execution_arn} {where}"
    return f"{verdict.trigger} {verdict.outcome}: {happened}; {command}"
