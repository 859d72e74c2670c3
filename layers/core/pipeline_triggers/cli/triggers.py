"""The commands about single triggers: describe, run."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.deployed import DeployedTriggers, deployed, deployment
from pipeline_triggers.cli.events import event_type, read_event
from pipeline_triggers.cli.options import (
    documents_option,
    json_option,
    stack_option,
    trigger_argument,
)
from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Outcome, Trigger
from pipeline_triggers.operations import describe, overview, run, wording
from pipeline_triggers.operations.batches import SHOWN_ID, Batches, entry_json, state_of
from pipeline_triggers.operations.describe import Deployed
from pipeline_triggers.operations.verdict_log import LoggedVerdict, verdicts

SHOWN, LOOKED_BACK = 5, timedelta(days=7)  # of the last verdicts


@click.command("describe")
@trigger_argument
@documents_option
@stack_option
@json_option
def describe_command(name: str, directory: Path, stack: str, as_json: bool) -> None:
    """Show a trigger as it is deployed, what it starts, and its last verdicts."""
    here = deployed(directory, stack)
    trigger = here.trigger(name)
    batches = Batches(here.stack, here.limits)
    drift = overview.drift(deployment(directory, stack, trigger.id), trigger.id)
    found = {view.part: describe.deployed(here.stack, view) for view in trigger.views()}
    logs = dict.fromkeys(describe.log_group(here.stack, view) for view in trigger.views())
    since = datetime.now(UTC) - LOOKED_BACK
    events = sorted((one for log in logs for one in verdicts(log, since, trigger=trigger.id)), key=lambda one: one.at)
    of_batches = verdicts(here.stack.resources[describe.BATCH_LOG], since, trigger=trigger.id)
    last, ends = deque(events, maxlen=SHOWN), deque(of_batches, maxlen=SHOWN)
    waiting = [entry for entry in batches.entries(time.time()) if entry.trigger == trigger.first_id]
    if as_json:
        about = {"trigger": trigger.id, "description": trigger.description, "direct": trigger.direct, "drift": drift}
        starts = [{"pipeline": start.pipeline, "parameters": dict(start.parameters)} for start in trigger.start]
        parts = {part: asdict(one) for part, one in found.items()}
        where = {"parts": parts} if trigger.all_of else parts[""]
        logged = {"verdicts": [one.as_json() for one in last], "batch_verdicts": [one.as_json() for one in ends]}
        output.data([{**about, **where, "starts": starts, "batches": list(map(entry_json, waiting)), **logged}])
        return
    output.labelled("trigger", f"{trigger.id}: {trigger.description}".rstrip(": "))
    if drift:
        output.labelled("drift", f"{drift}; triggers diff --deployed --stack {stack} says what")
    for part, one in found.items():
        _show_deployed(part, one)
    # The handlers' own copy can't be read.
    for start in trigger.start:
        parameters = (f"  {parameter} = {source}" for parameter, source in start.parameters.items())
        output.labelled("document", f"starts {start.pipeline}", *parameters)
    if not trigger.direct:
        output.labelled("starts if", *_conditions(trigger))
    if words := wording.batch_and_limits(trigger, here.limits):
        output.labelled("batch, limits", words)
    shown = [f"{entry.batch[:SHOWN_ID]} {state_of(entry)}" for entry in waiting[:SHOWN]]
    if more := len(waiting) - len(shown):
        shown.append(f"{more} more; triggers batches --trigger {trigger.id}")
    if shown:
        output.labelled("now", *shown)
    none = "none: AWS starts it itself" if trigger.direct else f"none in {LOOKED_BACK.days} days"
    output.labelled("verdicts", *(map(_verdict_line, last) if last else (none,)))
    if ends:
        output.labelled("of batches", *map(_verdict_line, ends))


def _conditions(trigger: Trigger) -> Iterator[str]:
    """Yield what an event has to pass, in the document's words."""
    for view in trigger.views():
        if view.condition:
            yield f"{view.part}: {view.condition}".removeprefix(": ")
    yield f"fewer than {trigger.max_starts} starts in this hour (max_starts)"
    if trigger.dry_run:
        yield "never: dry_run computes, and starts nothing"


def _show_deployed(part: str, found: Deployed) -> None:
    if part:
        output.labelled("part", part)
    output.labelled(found.kind, found.arn)
    output.labelled("state", found.state)
    for label, value in found.fires.items():
        output.labelled(label, value)
    output.labelled("targets", *found.targets)
    if found.role:
        output.labelled("role", found.role)


@click.command("run")
@trigger_argument
@click.option(
    "--event",
    "path",
    type=event_type,
    help="A JSON file with an event as EventBridge or SNS delivers it, or - for standard input; a schedule needs none.",
)
@click.option("--part", default="", help="With when.all: the part whose event it is.")
@click.option("--again", is_flag=True, help="Start even what this event has started before.")
@click.option("--wait", "patience", type=click.IntRange(min=0), default=60, show_default=True, help="Seconds to wait.")
@documents_option
@stack_option
@json_option
def run_command(
    name: str,
    path: Path | None,
    part: str,
    again: bool,
    patience: int,
    directory: Path,
    stack: str,
    as_json: bool,
) -> None:
    """Start a trigger by hand: its handler gets the event as if its rule had matched it.

    Prints the verdicts; exits with 1 when one is REJECTED, or when not all come in time. What is COLLECTED or waits for
    its turn is in triggers batches.
    """
    here = deployed(directory, stack)
    trigger = _view(here.trigger(name), part)
    sent = run.send(here.stack, trigger, _checked_message(here, trigger, path, again=again))
    logged = run.wait(sent, trigger, patience)
    if as_json:
        output.data([{"message_id": sent.message_id, **verdict.as_json()} for verdict in logged])
    else:
        for verdict in logged:
            output.line(_verdict_line(verdict))
    if not run.are_final(logged, trigger):
        where = f"message_id {sent.message_id} in the log group {sent.log_group}"
        raise output.Failed(f"no final verdict within {patience} s; look for {where}")
    outcomes = Counter(logged_verdict.verdict.outcome for logged_verdict in logged)
    if not as_json:
        output.line(f"{trigger.id}: {', '.join(f'{count} {outcome}' for outcome, count in outcomes.items())}")
    if outcomes[Outcome.REJECTED]:
        raise click.exceptions.Exit(1)


def _checked_message(here: DeployedTriggers, trigger: Trigger, path: Path | None, *, again: bool) -> str:
    """Return the message for a trigger's handler, or end the command with what the handler would reject."""
    if trigger.direct:
        raise output.usage_error(f"{trigger.id} is delivered directly, without a handler; start its pipeline yourself")
    if trigger.when.source != "schedule" and path is None:
        remedy = "write it to a file, like those in events/, and name that with --event"
        raise output.usage_error(f"{trigger.id} fires on an event of its source, {trigger.when.source}; {remedy}")
    event = read_event(path) if path else run.scheduled_now(here.stack, trigger)
    message = run.message(here.stack, trigger, event, again=again)
    try:
        run.check(here.stack, trigger, here.triggers, message)
    except Rejected as error:
        raise output.Failed(f"not sent, because {trigger.id} would reject it: {error}") from error
    return message


def _view(trigger: Trigger, part: str) -> Trigger:
    """Return a trigger as its source sees it, or the source of a part; end the command where that is not clear."""
    if view := trigger.view(part):
        return view
    if not trigger.all_of:
        raise output.usage_error(f"{trigger.id} has one source; leave out --part")
    raise output.usage_error(f"{trigger.id} has several sources; name one with --part: {', '.join(trigger.all_of)}")


def _verdict_line(logged: LoggedVerdict) -> str:
    verdict = logged.verdict
    batch = f"batch {verdict.batch[:SHOWN_ID]}" if verdict.batch else None
    known = (verdict.outcome, verdict.pipeline, verdict.subject, batch, verdict.reason, verdict.execution_arn)
    return " ".join((logged.at.isoformat(timespec="seconds"), *filter(None, known)))
