"""The commands about one deployed trigger: describe, run."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pipeline_triggers.account import home
from pipeline_triggers.cli.common import (
    asking_the_account,
    documents_option,
    json_option,
    load,
    read_event,
    stack_option,
    trigger_argument,
)
from pipeline_triggers.models import Trigger
from pipeline_triggers.operations import check_account, run, stacks
from pipeline_triggers.operations import describe as describing
from pipeline_triggers.operations.stacks import Stack
from pipeline_triggers.operations.verdict_log import Told, verdicts

SHOWN, LOOKED_BACK = 5, timedelta(days=7)  # of the last verdicts
WIDTH = 14  # of the column that says what something is


@click.command("describe")
@trigger_argument
@documents_option
@stack_option
@json_option
def describe_command(name: str, directory: Path, stack: str, as_json: bool) -> None:
    """Say what is deployed of a trigger, what it starts, and what became of its last events."""
    with asking_the_account():
        there, trigger = _found(name, directory, stack)
        found = describing.describe(there, trigger)
        last = deque[Told](
            verdicts(describing.log_group(there, trigger), datetime.now(UTC) - LOOKED_BACK, trigger=trigger.id),
            maxlen=SHOWN,
        )
    starts = {start.pipeline: dict(start.parameters) for start in trigger.start}
    if as_json:
        known = {
            "trigger": trigger.id,
            "description": trigger.description,
            "direct": trigger.direct,
            **asdict(found),
            "starts": starts,
        }
        click.echo(_written({**known, "verdicts": [told.as_json() for told in last]}))
        return
    _tell("trigger", f"{trigger.id}: {trigger.description}".rstrip(": "))
    _tell(found.kind, found.arn)
    _tell("state", found.state)
    for label, told in found.fires.items():
        _tell(label, told)
    _tell("targets", *found.targets)
    if found.role:
        _tell("role", found.role)
    # The handlers' own copy can't be asked for.
    for pipeline, parameters in starts.items():
        _tell("document", f"starts {pipeline}", *(f"  {name} = {source}" for name, source in parameters.items()))
    none = "none: AWS starts it itself" if trigger.direct else f"none in {LOOKED_BACK.days} days"
    _tell("verdicts", *(map(_line, last) if last else (none,)))


@click.command("run")
@trigger_argument
@click.option(
    "--event",
    "path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with an event as EventBridge or SNS delivers it; a schedule needs none.",
)
@click.option("--again", is_flag=True, help="Start even what this event has started before.")
@click.option("--wait", "patience", type=click.IntRange(min=0), default=60, show_default=True, help="Seconds to wait.")
@documents_option
@stack_option
@json_option
def run_command(
    name: str, path: Path | None, again: bool, patience: int, directory: Path, stack: str, as_json: bool
) -> None:
    """Start a trigger by hand: its handler gets the event as if its rule had matched, and says what became of it.

    Exits with 1 when that is REJECTED, or not said in time.
    """
    with asking_the_account():
        there, trigger = _found(name, directory, stack)
        if trigger.direct:
            raise click.UsageError(f"{trigger.id} is delivered directly, past every handler; start its pipeline itself")
        if trigger.when.source != "schedule" and path is None:
            remedy = "write it to a file, like those in events/, and name that with --event"
            raise click.UsageError(f"{trigger.id} fires on an event of its source, {trigger.when.source}; {remedy}")
        event = read_event(path) if path else run.scheduled_now(there, trigger)
        sent = run.send(there, trigger, event, again=again)
        told = run.wait(sent, trigger, patience)
    if as_json:
        click.echo(_written({"message_id": sent.message, "verdicts": [one.as_json() for one in told]}))
    else:
        for one in told:
            click.echo(_line(one))
    if not run.are_final(told, trigger):
        where = f"message_id {sent.message} in the log group {sent.log_group}"
        raise click.ClickException(f"no final verdict within {patience} s; look for {where}")
    if any(one.verdict.outcome == "REJECTED" for one in told):
        raise click.exceptions.Exit(1)


def _found(name: str, directory: Path, stack: str) -> tuple[Stack, Trigger]:
    """Return the deployed stack, and the trigger as it sees it."""
    there = stacks.stack(stack)
    loaded = load(directory)
    stage = there.parameters["Stage"]
    if stage not in loaded.stages:
        raise click.ClickException(f"{stack} is of the stage {stage}, which stages.yaml does not have")
    triggers = check_account.triggers_of(loaded, stage, home.current().pseudo_parameters())
    named = [trigger for trigger in triggers if name in (trigger.id, trigger.id.partition("/")[2])]
    if len(named) != 1:
        ids = ", ".join(trigger.id for trigger in named or triggers)
        raise click.UsageError(f"the documents have {len(named) or 'no'} triggers {name}; name one of {ids}")
    return there, named[0]


def _tell(label: str, *lines: str) -> None:
    for line in lines:
        click.echo(f"{label:<{WIDTH}}{line}")
        label = ""


def _line(told: Told) -> str:
    verdict = told.verdict
    known = (verdict.outcome, verdict.pipeline, verdict.reason, verdict.execution_arn)
    return " ".join((told.at.isoformat(timespec="seconds"), *filter(None, known)))


def _written(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
