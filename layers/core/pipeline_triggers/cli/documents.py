"""The commands about the documents: check, compile, list."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import check_stage, documents_option, json_option, stage_option
from pipeline_triggers.compile import files
from pipeline_triggers.compile.stack import compile_documents
from pipeline_triggers.documents import loader, renames, schedules
from pipeline_triggers.documents.section import EXAMPLES
from pipeline_triggers.documents.warnings import warnings
from pipeline_triggers.errors import DocumentsError, Problem
from pipeline_triggers.language.stages import resolve, resolve_trigger
from pipeline_triggers.operations import wording
from pipeline_triggers.operations.graph import mermaid


@click.command("compile")
@documents_option
@click.option("--check", is_flag=True, help="Write nothing; fail if the compiled files are stale.")
def compile_command(directory: Path, check: bool) -> None:
    """Compile the documents into compiled/triggers.json and compiled/stack.yaml."""
    loaded = loader.load(directory)
    past = schedules.past(loaded.triggers, datetime.now(UTC))
    problems = [*warnings(loaded, past), *_renamed(loaded, directory)]
    try:
        compiled = compile_documents(loaded, files.past_when_compiled(directory) if check else past)
        stale = files.stale(directory, compiled)
        if check and stale:
            raise output.Failed(f"{', '.join(map(str, stale))}: out of date; run: make compile")
        if not check:
            files.write(directory, compiled)
    except OSError as error:
        raise output.Failed(
            f"{error.filename or 'a file'}: {error.strerror}; make room for the compiled files"
        ) from error
    output.problems(problems)
    output.line(f"{_count(len(loaded.triggers), 'trigger')}, compiled files {'changed' if stale else 'up to date'}")


@click.command("check")
@documents_option
@click.option("--aws", "ask_aws", is_flag=True, help="Also check the account: pipelines, buckets, topics.")
@stage_option
@json_option
def check_command(directory: Path, ask_aws: bool, stage: str, as_json: bool) -> None:
    """Check the documents, and with --aws what only the account knows."""
    try:
        loaded = loader.load(directory)
        compile_documents(loaded)
        past = schedules.past(loaded.triggers, datetime.now(UTC))
        check_stage(loaded, stage)
        if ask_aws:
            # boto3 takes most of a second to import.
            from pipeline_triggers.cli.check_aws import check_aws

            check_aws(loaded, stage, past)
    except DocumentsError as error:
        if not as_json:
            raise
        output.data([asdict(problem) for problem in error.problems])
        raise click.exceptions.Exit(1) from error
    problems = [*warnings(loaded, past), *_renamed(loaded, directory)]
    if as_json:
        output.data([asdict(problem) for problem in problems])
        return
    output.problems(problems)
    checked = _count(len(loaded.triggers), "trigger") + (" OK" if loaded.triggers else "")
    warned = sum(problem.severity == "warning" for problem in problems)
    output.line(f"{checked}, {_count(warned, 'warning')}" if warned else checked)


def _renamed(documents: loader.Documents, directory: Path) -> list[Problem]:
    """Return warnings about triggers that were renamed since the compiled files, without a word in the document."""
    found = renames.forgotten(documents.triggers, documents.stages, files.compiled_triggers(directory))
    return [documents.problem(name, (), message, "warning") for name, message in found]


@click.command("list")
@documents_option
@click.option("--stack", help="List what this deployed stack has instead, with last events and runs.")
@json_option
def list_command(directory: Path, stack: str | None, as_json: bool) -> None:
    """List the triggers: what fires each, and what it starts.

    With --stack, those that are deployed: state, last event, its verdict, how the last run goes, what waits, pauses,
    and how the documents here differ.
    """
    if stack:
        # boto3 takes most of a second to import.
        from pipeline_triggers.cli.overview import show_overview

        show_overview(directory, stack, as_json=as_json)
        return
    loaded = loader.load(directory)
    if as_json:
        output.data([_as_json(asdict(trigger)) for trigger in loaded.triggers])
        return
    rows = []
    for trigger in loaded.triggers:
        starts = ", ".join(start.pipeline for start in trigger.start)
        state = "enabled" if trigger.enabled else "disabled"
        batch_and_limits = wording.batch_and_limits(trigger, loaded.limits)
        rows.append((trigger.id, state, starts, wording.when(trigger), batch_and_limits))
    columns = ("trigger", "state", "starts", "when", "batch and limits")
    shown = len(columns) if any(row[-1] for row in rows) else len(columns) - 1
    output.table(columns[:shown], [row[:shown] for row in rows])


@click.command("graph")
@documents_option
@stage_option
@click.option(
    "--deployed", "stack", help="Colour the triggers by what came of their events in the last day, in a stack."
)
def graph_command(directory: Path, stage: str, stack: str | None) -> None:
    """Draw what starts what, as Mermaid: put the output between ```mermaid fences, and GitHub draws it.

    Sources point to triggers, triggers to pipelines, and pipelines to the triggers that their ends fire. More than 60
    triggers are drawn as their teams. With --deployed, a trigger is red if an event was rejected, green if one started
    something, and grey otherwise.
    """
    loaded = loader.load(directory)
    check_stage(loaded, stage)
    values = {**EXAMPLES, **loaded.stages[stage]}
    triggers = [resolve_trigger(trigger, values) for trigger in loaded.triggers]
    limits = {resolve(name, values): limit for name, limit in loaded.limits.items()}
    last_day = None
    if stack:
        from pipeline_triggers.cli.overview import last_day_of

        last_day = last_day_of(stack)
    output.text(mermaid(triggers, limits, last_day))


def _as_json(trigger: dict[str, object]) -> dict[str, object]:
    """Return a trigger with its id under the name that all commands use."""
    return {"trigger": trigger.pop("id"), **trigger}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
