"""The options and arguments that commands share, and what is read because of them."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from pipeline_triggers.cli.output import usage_error
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError

DOCUMENTS = Path("layers/triggers")

documents_option = click.option(
    "--documents",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=DOCUMENTS,
    show_default=True,
    help="The folder that holds <team>.yaml and stages.yaml.",
)
stage_option = click.option("--stage", default="dev", show_default=True, help="The stage whose values to use.")
stack_option = click.option(
    "--stack",
    default="pipeline-triggers-dev",
    show_default=True,
    help="The deployed stack, as samconfig.toml names it.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print a JSON array, for machines.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")


def trigger_ids(directory: Path) -> list[str]:
    """Return the ids of the documents' triggers; none when the documents can't be read."""
    try:
        return [trigger.id for trigger in loader.load(directory).triggers]
    except (DocumentsError, OSError):
        return []


def complete_trigger(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the documents' triggers to the shell."""
    del param
    ids = trigger_ids(ctx.params.get("directory") or DOCUMENTS)
    return [CompletionItem(name) for name in ids if name.startswith(incomplete)]


trigger_argument = click.argument("name", metavar="TRIGGER", shell_complete=complete_trigger)


def check_stage(documents: loader.Documents, stage: str) -> None:
    """End the command when there is no such stage."""
    if stage not in documents.stages:
        raise usage_error(f"stages.yaml has no stage {stage}; it has {', '.join(documents.stages)}")
