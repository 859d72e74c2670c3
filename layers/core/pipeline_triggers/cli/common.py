"""What the commands share: options, and how they tell what went wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.operations.stacks import NotDeployed

documents_option = click.option(
    "--documents",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("layers/triggers"),
    show_default=True,
    help="The folder that holds <team>.yaml and stages.yaml.",
)

stage_option = click.option("--stage", default="dev", show_default=True, help="Whose values of stages.yaml to use.")
stack_option = click.option(
    "--stack",
    default="pipeline-triggers-dev",
    show_default=True,
    help="The deployed stack, as samconfig.toml names it.",
)
trigger_argument = click.argument("name", metavar="TRIGGER")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


def load(directory: Path) -> loader.Documents:
    """Load the documents, or end the command with what is wrong with them."""
    with telling_problems():
        return loader.load(directory)


def read_event(path: Path) -> dict[str, Any]:
    """Read a file that holds an event, or end the command with what is wrong with it."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{path} is no JSON: {error}") from error
    if not isinstance(raw, dict):
        raise click.ClickException(f"{path} is no event; write what EventBridge or SNS delivers, as in events/")
    return raw


@contextmanager
def telling_problems() -> Iterator[None]:
    """End the command with what is wrong with the documents."""
    try:
        yield
    except DocumentsError as error:
        raise click.ClickException(f"the documents are wrong\n{error}") from error


@contextmanager
def writing_files(remedy: str) -> Iterator[None]:
    """End the command with the file that could not be written, and why."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename or 'a file'}: {error.strerror}; {remedy}") from error


@contextmanager
def asking_the_account() -> Iterator[None]:
    """End the command with why AWS gave no answer."""
    try:
        yield
    except NotDeployed as error:
        raise click.ClickException(str(error)) from error
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"the account can't be asked: {error}") from error


def console(*, stderr: bool = False) -> Console:
    """Return where tables are printed, or on standard error how far a command is."""
    # What goes into a pipe is not cut to a width.
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else 1000
    return Console(highlight=False, soft_wrap=True, width=width, stderr=stderr)
