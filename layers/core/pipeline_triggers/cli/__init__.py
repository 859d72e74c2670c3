"""``triggers``: check, compile, list and explain the trigger documents, and look after the deployed stack.

Exit codes: 0 all is well; 1 something is wrong, and stands on standard error; 2 the command line is wrong.
"""

from __future__ import annotations

import io
import sys

import click

from pipeline_triggers.cli import documents, janitor, moving, redrive, triggers


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pipeline-triggers")
def main() -> None:
    """Start Amazon SageMaker Pipelines from events."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a key shows it escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


for command in (
    documents.compile_command,
    documents.check_command,
    documents.list_command,
    documents.explain_command,
    redrive.redrive_command,
    moving.import_command,
    triggers.describe_command,
    triggers.run_command,
    janitor.orphans_command,
    janitor.restore_command,
):
    main.add_command(command)
