"""The commands about events and new triggers: explain, sample, new."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import home
from pipeline_triggers.cli import output
from pipeline_triggers.cli.deployed import limits_of
from pipeline_triggers.cli.options import (
    check_stage,
    documents_option,
    json_option,
    stack_option,
    stage_option,
    trigger_ids,
)
from pipeline_triggers.documents import loader, starters
from pipeline_triggers.documents.sample_event import sample_with
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.models import Limits
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.batches import Batches
from pipeline_triggers.operations.check_account import triggers_of
from pipeline_triggers.operations.explain import Explanation, check_shape, explain
from pipeline_triggers.operations.nearest import upload
from pipeline_triggers.operations.stacks import NotDeployed

event_type = click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)

STARTS = frozenset({"WOULD START", "WOULD COLLECT", "WOULD WAIT"})
WRONG = frozenset({"REJECTED", "UNKNOWN", "WRONG PATTERN"})
NOTHING_STARTS = 3  # the exit code


class _EventOrObject(click.Path):
    """A file with an event, or the URI of an object."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if str(value).startswith("s3://") else super().convert(value, param, ctx)


@click.command("explain")
@click.argument("event", type=_EventOrObject(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@documents_option
@stage_option
@stack_option
@json_option
def explain_command(event: Path | str, directory: Path, stage: str, stack: str, as_json: bool) -> None:
    """Show what EVENT would start: a JSON file with an event as EventBridge or SNS delivers it, or s3://bucket/key.

    The account (or the embedded AWS of make run KEEP=1) says which rules match, and whether the values fit the
    pipelines; the stack which batch it would join, and what it would wait for. Where no rule matches, the triggers that
    come nearest are shown with what differs.

    Exits with 0 when something would start, with 3 when nothing would, and with 1 when something is wrong.
    """
    loaded = loader.load(directory)
    check_stage(loaded, stage)
    raw = _uploaded(event) if isinstance(event, str) else read_event(event)
    values = home.current().pseudo_parameters()
    try:
        batches = _open_batches(stack, limits_of(loaded, stage, values))
        explanations = list(explain(triggers_of(loaded, stage, values), raw, values, batches))
    except Rejected as error:
        raise output.Failed(f"{event}: {error}") from error
    if as_json:
        output.data([asdict(explanation) for explanation in explanations])
    else:
        _show(explanations)
    raise click.exceptions.Exit(exit_code(explanation.outcome for explanation in explanations))


def exit_code(outcomes: Iterable[str]) -> int:
    """Return 0 when something would start, 3 when nothing would, 1 when something is wrong."""
    came = set(outcomes)
    if came & WRONG:
        return 1
    return 0 if came & STARTS else NOTHING_STARTS


def _show(explanations: Sequence[Explanation]) -> None:
    if all(explanation.outcome == "NO MATCH" for explanation in explanations):
        nearest = "; the nearest:" if explanations else ""
        output.line(f"no trigger's rule matches this event{nearest}")
    rows = []
    for explanation in explanations:
        parameters = [f"{name} = {value}" for name, value in (explanation.parameters or {}).items()]
        details = "\n".join(filter(None, [explanation.reason, *parameters]))
        rows.append((explanation.trigger, explanation.outcome, explanation.pipeline or "", details))
    if rows:
        output.table(("trigger", "outcome", "pipeline", "reason, parameters"), rows)


@click.command("sample")
@click.argument("source", metavar="SOURCE", type=click.Choice(sorted(SOURCES)))
@click.argument("changes", metavar="[FIELD=VALUE]...", nargs=-1)
def sample_command(source: str, changes: tuple[str, ...]) -> None:
    """Print an event of SOURCE, with these fields changed: for explain - or run --event -.

    A field is one of those that examples may change, a field of when, or a way into the event with dots in it, as in
    detail.object.size.
    """
    given: dict[str, str] = {}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals:
            raise output.usage_error(f"{change} changes nothing; write field=value, as in key=in/data.csv")
        given[name] = value
    try:
        event = sample_with(source, given)
    except Rejected as error:
        raise output.usage_error(str(error)) from error
    output.data(event)


@click.command("new")
@click.argument("source", metavar="SOURCE", type=click.Choice(sorted(SOURCES)))
@click.argument("name", metavar="TEAM/NAME")
@click.option("--pipeline", default="my-pipeline", show_default=True, help="The pipeline to start.")
@documents_option
def new_command(source: str, name: str, pipeline: str, directory: Path) -> None:
    """Print a trigger on SOURCE to begin with, whose examples pass: append it to the team's document.

    With the beginning of the document, if there is none yet.
    """
    team, slash, trigger = name.partition("/")
    if not (slash and starters.NAME.fullmatch(trigger) and loader.is_team(team)):
        raise output.usage_error(f"{name} is not a trigger's id; write team/name in lower-case letters, digits, dashes")
    document = directory / f"{team}.yaml"
    if not document.exists() or not document.stat().st_size:  # a shell's >> has made the file already
        output.text(starters.document(team, pipeline))
    elif name in trigger_ids(directory):
        raise output.usage_error(f"{document} defines {name} already; choose another name")
    output.text(starters.starter(source, trigger, pipeline))
    output.note(f"this goes to the end of {document}; then: triggers test {name}")


def read_event(path: Path) -> dict[str, Any]:
    """Read a file that holds an event, - for standard input, or end the command with what is wrong with it."""
    try:
        with click.open_file(str(path), encoding="utf-8") as file:
            event = json.load(file)
    except (ValueError, RecursionError) as error:
        raise output.Failed(f"{path} is not valid JSON: {error}") from error
    if not isinstance(event, dict):
        raise output.Failed(f"{path} is not an event; write what EventBridge or SNS delivers, as in events/")
    try:
        check_shape(event)
    except Rejected as error:
        raise output.Failed(f"{path}: {error}") from error
    return event


def _uploaded(uri: str) -> dict[str, Any]:
    """Return the event of an upload, with the size and version of the object where that can be read."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not key:
        raise output.usage_error(f"{uri} names no object; write s3://bucket/key")
    try:
        there = aws.s3().head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        event = upload(bucket, key)
        size = event["detail"]["object"]["size"]
        output.note(f"{uri} can't be read ({error.response['Error']['Code']}); assumed to have {size} bytes")
        return event
    known = {"size": there["ContentLength"], "etag": there["ETag"].strip('"'), "version_id": there.get("VersionId")}
    return upload(bucket, key, **known)


def _open_batches(stack: str, limits: Mapping[str, Limits]) -> Batches | None:
    """Return what is open and waits in the stack, None where it is not deployed or can't be read."""
    try:
        batches = Batches(stacks.stack(stack), limits)
        batches.records.pauses()  # whether the table may be read
        return batches
    except (NotDeployed, BotoCoreError) as error:
        output.note(f"open batches and what waits are not known: {error}")
    except ClientError as error:
        if aws.is_transient(error):
            raise
        output.note(f"open batches and what waits are not known: {aws.refusal(error)}")
    return None
