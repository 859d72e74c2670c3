"""``triggers``: check, compile, list and explain the trigger documents, and look after the deployed stack.

Exit codes: 0 success; 1 something is wrong, as standard error says; 2 the command line is wrong.
"""

from __future__ import annotations

import io
import sys
from importlib import import_module
from typing import Any

import click

# A command's module and its line in the help, so that neither the help nor one command imports what the others need:
# boto3 alone takes most of a second.
COMMANDS = {
    "check": ("documents", "Check the documents; with --aws, the account as well."),
    "compile": ("documents", "Compile the documents for sam build."),
    "list": ("documents", "List the triggers."),
    "test": ("testing", "Play the documents' examples."),
    "diff": ("diff", "Say what a change of the documents changes."),
    "next": ("next", "Show when schedules fire."),
    "graph": ("documents", "Draw what starts what, as Mermaid."),
    "new": ("events", "Print a trigger to begin with."),
    "explain": ("events", "Show what an event would start."),
    "sample": ("events", "Print an event of a source, to explain or run it."),
    "why": ("why", "Say why something ran, or did not."),
    "doctor": ("doctor", "Say what is or will be broken in the deployed stack."),
    "history": ("history", "List what became of events and runs."),
    "tail": ("history", "Print verdicts as they fall."),
    "describe": ("triggers", "Show a trigger as it is deployed, and its last verdicts."),
    "run": ("triggers", "Start a trigger by hand."),
    "backfill": ("backfill", "Start a trigger for what came before it, or never came."),
    "batches": ("batches", "List what is open, waits or is paused, and what it waits for."),
    "pause": ("batches", "Hold back starts without a deploy, and lose none."),
    "resume": ("batches", "Release what was paused, in order."),
    "close": ("batches", "Close a batch now, without waiting for more events."),
    "drop": ("batches", "End a batch without a start."),
    "dead-letters": ("dead_letters", "List, show, redrive or discard what could not be handled."),
    "redrive": ("redrive", "Send dead letters to their handlers again."),
    "import": ("importing", "Write a document from the account's schedules and rules."),
    "orphans": ("janitor", "List or remove schedules and rules of deleted pipelines."),
    "restore": ("janitor", "Restore what the janitor removed."),
}


class _Commands(click.Group):
    """The commands, each imported when it is used, and the errors that any of them ends with."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"{__name__}.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError

        from pipeline_triggers.cli.output import Failed, FoundProblems
        from pipeline_triggers.errors import DocumentsError, PipelineTriggersError

        try:
            return super().invoke(ctx)
        except DocumentsError as error:
            raise FoundProblems(error.problems) from error
        except PipelineTriggersError as error:
            raise Failed(str(error)) from error
        except (BotoCoreError, ClientError) as error:
            raise Failed(f"the request to AWS failed: {error}") from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pipeline-triggers")
def main() -> None:
    """Start Amazon SageMaker Pipelines from events."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a character shows it escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
