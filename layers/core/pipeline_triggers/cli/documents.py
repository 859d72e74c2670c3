"""The commands about the documents: compile, check, list, explain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.table import Table
from rich.text import Text

from pipeline_triggers.account import home
from pipeline_triggers.cli.common import (
    asking_the_account,
    console,
    documents_option,
    json_option,
    load,
    read_event,
    stage_option,
    telling_problems,
    writing_files,
)
from pipeline_triggers.compile import files
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import direct, loader, quotas, schedules
from pipeline_triggers.errors import DocumentsError, Rejected
from pipeline_triggers.operations import check_account, cloudtrail, overlaps
from pipeline_triggers.operations.explain import explain


@click.command("compile")
@documents_option
@click.option("--check", is_flag=True, help="Write nothing; fail if the compiled files are stale.")
def compile_command(directory: Path, check: bool) -> None:
    """Compile the documents into compiled/triggers.json and compiled/stack.yaml."""
    loaded = load(directory)
    past = schedules.past(loaded.triggers, datetime.now(UTC))
    with telling_problems():
        compiled = compiler.compile_documents(loaded, files.past_when_compiled(directory) if check else past)
    with writing_files("make room for the compiled files"):
        stale = files.stale(directory, compiled)
    if check and stale:
        raise click.ClickException(
            f"{', '.join(map(str, stale))}: not what the documents compile to; run: make compile"
        )
    if not check:
        with writing_files("make room for the compiled files"):
            files.write(directory, compiled)
    _note(*quotas.to_raise(loaded.triggers, loaded.stages), *_told(loaded, past))
    click.echo(f"{_count(loaded)}, compiled files {'changed' if stale else 'up to date'}")


@click.command("check")
@documents_option
@click.option("--aws", "ask_aws", is_flag=True, help="Also ask the account: pipelines, buckets, topics.")
@stage_option
@json_option
def check_command(directory: Path, ask_aws: bool, stage: str, as_json: bool) -> None:
    """Check the documents, and with --aws what only the account knows."""
    try:
        loaded = loader.load(directory)
        compiler.compile_documents(loaded)
        past = schedules.past(loaded.triggers, datetime.now(UTC))
        _check_stage(loaded, stage)
        if ask_aws:
            with asking_the_account():
                problems = check_account.problems(loaded, stage, past)
            if problems:
                raise DocumentsError(problems)
            _tell_of_others(loaded, stage)
            _tell_of_trails()
    except DocumentsError as error:
        if as_json:
            click.echo(json.dumps([asdict(problem) for problem in error.problems], indent=2, ensure_ascii=False))
            raise click.exceptions.Exit(1) from error
        raise click.ClickException(f"the documents are wrong\n{error}") from error
    _note(*_told(loaded, past))
    click.echo("[]" if as_json else f"{_count(loaded)}, all well")


@click.command("list")
@documents_option
@json_option
def list_command(directory: Path, as_json: bool) -> None:
    """List the triggers: what fires each, and what it starts."""
    loaded = load(directory)
    if as_json:
        click.echo(json.dumps([asdict(trigger) for trigger in loaded.triggers], indent=2, ensure_ascii=False))
        return
    table = Table("trigger", "when", "starts", "", box=None, pad_edge=False)
    for trigger in loaded.triggers:
        asked = " ".join(f"{name}={_plain(value)}" for name, value in trigger.when.fields.items())
        starts = ", ".join(start.pipeline for start in trigger.start)
        state = "" if trigger.enabled else "disabled"
        table.add_row(*map(Text, (trigger.id, f"{trigger.when.source} {asked}", starts, state)))
    console().print(table)


@click.command("explain")
@click.argument("event", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@documents_option
@stage_option
@click.option("--aws", "ask_pipelines", is_flag=True, help="Also hold the values against the pipelines' definitions.")
@json_option
def explain_command(event: Path, directory: Path, stage: str, ask_pipelines: bool, as_json: bool) -> None:
    """Say what EVENT, a JSON file with an event as EventBridge delivers it, would start.

    EventBridge itself says which rules match: that of the account, or of the embedded AWS of make run KEEP=1.
    """
    loaded = load(directory)
    _check_stage(loaded, stage)
    raw = read_event(event)
    try:
        with asking_the_account():
            values = home.current().pseudo_parameters()
            triggers = check_account.triggers_of(loaded, stage, values)
            found = list(explain(triggers, raw, values, ask_pipelines=ask_pipelines))
    except Rejected as error:
        raise click.ClickException(f"{event}: {error}") from error
    if as_json:
        click.echo(json.dumps([asdict(explanation) for explanation in found], indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo("no trigger's rule matches this event")
        return
    table = Table("trigger", "outcome", "pipeline", "", box=None, pad_edge=False)
    for explanation in found:
        sent = [f"{name} = {value}" for name, value in (explanation.parameters or {}).items()]
        told = "\n".join(filter(None, [explanation.reason, *sent]))
        table.add_row(*map(Text, (explanation.trigger, explanation.outcome, explanation.pipeline or "", told)))
    console().print(table)


def _told(loaded: loader.Documents, past: frozenset[str]) -> Iterator[str]:
    """Give what is right, and yet good to know."""
    yield from schedules.told(loaded.triggers, past)
    yield from direct.told(loaded.triggers)


def _note(*notes: str) -> None:
    for note in notes:
        click.echo(f"Note: {note}", err=True)


def _tell_of_others(loaded: loader.Documents, stage: str) -> None:
    """Warn of what else starts the same pipelines, where the account lets itself be looked at for that."""
    try:
        _note(*overlaps.overlaps(loaded, stage))
    except (BotoCoreError, ClientError) as error:
        _note(f"what else starts these pipelines can't be looked for: {error}")


def _tell_of_trails() -> None:
    """Say so when the janitor can't hear of deleted pipelines; its sweep finds later what they leave behind."""
    try:
        if not cloudtrail.tells_of_deletions():
            _note(
                "no trail of CloudTrail logs management events here, so the janitor does not hear of deleted pipelines:"
                " only its daily sweep finds what they leave behind"
            )
    except (BotoCoreError, ClientError) as error:
        _note(f"whether CloudTrail tells of deleted pipelines can't be asked: {error}")


def _count(loaded: loader.Documents) -> str:
    return f"{len(loaded.triggers)} trigger{'' if len(loaded.triggers) == 1 else 's'}"


def _check_stage(loaded: loader.Documents, stage: str) -> None:
    if stage not in loaded.stages:
        raise click.UsageError(f"stages.yaml has no stage {stage}; it has {', '.join(loaded.stages)}")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
