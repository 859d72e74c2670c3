"""``triggers``: check, compile, list and explain the trigger documents.

Exit codes: 0 all is well; 1 something is wrong, and stands on standard error; 2 the command line is wrong.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline_triggers import account, documents, quotas
from pipeline_triggers import compile as compiler
from pipeline_triggers.errors import DocumentsError, Rejected
from pipeline_triggers.explain import explain

_documents_option = click.option(
    "--documents",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("layers/triggers"),
    show_default=True,
    help="The folder that holds <team>.yaml and stages.yaml.",
)

_stage_option = click.option("--stage", default="dev", show_default=True, help="Whose values of stages.yaml to use.")
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pipeline-triggers")
def main() -> None:
    """Start Amazon SageMaker Pipelines from events."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a key shows it escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@main.command("compile")
@_documents_option
@click.option("--check", is_flag=True, help="Write nothing; fail if the compiled files are stale.")
def compile_command(directory: Path, check: bool) -> None:
    """Compile the documents into compiled/triggers.json and compiled/stack.yaml."""
    loaded = _load(directory)
    compiled = _compile(loaded)
    with _writing_files():
        stale = compiler.stale(directory, compiled)
    if check and stale:
        raise click.ClickException(
            f"{', '.join(map(str, stale))}: not what the documents compile to; run: make compile"
        )
    if not check:
        with _writing_files():
            compiler.write(directory, compiled)
    for told in quotas.to_raise(loaded.triggers, loaded.stages):
        click.echo(f"Note: {told}", err=True)
    click.echo(f"{_count(loaded)}, compiled files {'changed' if stale else 'up to date'}")


@main.command("check")
@_documents_option
@click.option("--aws", "ask_aws", is_flag=True, help="Also ask the account: pipelines, buckets, topics.")
@_stage_option
@_json_option
def check_command(directory: Path, ask_aws: bool, stage: str, as_json: bool) -> None:
    """Check the documents, and with --aws what only the account knows."""
    try:
        loaded = documents.load(directory)
        compiler.compile_documents(loaded)
        _check_stage(loaded, stage)
        if ask_aws:
            with _asking_the_account():
                problems = account.problems(loaded, stage)
            if problems:
                raise DocumentsError(problems)
    except DocumentsError as error:
        if as_json:
            click.echo(json.dumps([asdict(problem) for problem in error.problems], indent=2, ensure_ascii=False))
            raise click.exceptions.Exit(1) from error
        raise click.ClickException(f"the documents are wrong\n{error}") from error
    click.echo("[]" if as_json else f"{_count(loaded)}, all well")


@main.command("list")
@_documents_option
@_json_option
def list_command(directory: Path, as_json: bool) -> None:
    """List the triggers: what fires each, and what it starts."""
    loaded = _load(directory)
    if as_json:
        click.echo(json.dumps([asdict(trigger) for trigger in loaded.triggers], indent=2, ensure_ascii=False))
        return
    table = Table("trigger", "when", "starts", "", box=None, pad_edge=False)
    for trigger in loaded.triggers:
        asked = " ".join(f"{name}={_plain(value)}" for name, value in trigger.when.fields.items())
        starts = ", ".join(start.pipeline for start in trigger.start)
        state = "" if trigger.enabled else "disabled"
        table.add_row(*map(Text, (trigger.id, f"{trigger.when.source} {asked}", starts, state)))
    _console().print(table)


@main.command("explain")
@click.argument("event", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_documents_option
@_stage_option
@click.option("--aws", "ask_pipelines", is_flag=True, help="Also hold the values against the pipelines' definitions.")
@_json_option
def explain_command(event: Path, directory: Path, stage: str, ask_pipelines: bool, as_json: bool) -> None:
    """Say what EVENT, a JSON file with an event as EventBridge delivers it, would start.

    EventBridge itself says which rules match: that of the account, or of the embedded AWS of make run KEEP=1.
    """
    loaded = _load(directory)
    _check_stage(loaded, stage)
    try:
        raw = json.loads(event.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{event} is no JSON: {error}") from error
    if not isinstance(raw, dict):
        raise click.ClickException(f"{event} is no event; write what EventBridge or SNS delivers, as in events/")
    try:
        with _asking_the_account():
            values = account.pseudo_parameters()
            triggers = account.triggers_of(loaded, stage, values)
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
    _console().print(table)


def _load(directory: Path) -> documents.Documents:
    with _telling_problems():
        return documents.load(directory)


def _compile(loaded: documents.Documents) -> dict[str, str]:
    with _telling_problems():
        return compiler.compile_documents(loaded)


@contextmanager
def _telling_problems() -> Iterator[None]:
    try:
        yield
    except DocumentsError as error:
        raise click.ClickException(f"the documents are wrong\n{error}") from error


def _count(loaded: documents.Documents) -> str:
    return f"{len(loaded.triggers)} trigger{'' if len(loaded.triggers) == 1 else 's'}"


def _check_stage(loaded: documents.Documents, stage: str) -> None:
    if stage not in loaded.stages:
        raise click.UsageError(f"stages.yaml has no stage {stage}; it has {', '.join(loaded.stages)}")


@contextmanager
def _writing_files() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(
            f"{error.filename or 'compiled'}: {error.strerror}; make room for the compiled files"
        ) from error


@contextmanager
def _asking_the_account() -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"the account can't be asked: {error}") from error


def _console() -> Console:
    # What goes into a pipe is not cut to a width.
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 1000)


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
