"""``triggers import``: what starts pipelines in the account becomes a document."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline_triggers.account import home
from pipeline_triggers.cli.common import asking_the_account, documents_option, load, telling_problems, writing_files
from pipeline_triggers.documents.loader import is_team
from pipeline_triggers.operations import import_document, inventory


@click.command("import")
@click.option("--team", default="imported", show_default=True, help="Whose document it becomes: <team>.yaml.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the document to this new file, as in layers/triggers/imported.yaml; otherwise it is printed.",
)
@documents_option
def import_command(team: str, output: Path | None, directory: Path) -> None:
    """Write the account's schedules and rules that start pipelines as a trigger document.

    Made by the SageMaker SDK, by hand or by the console; those that were compiled from the documents are left out.
    """
    if output and output.exists():
        raise click.UsageError(f"{output} is there already; name another file")
    if not is_team(team):
        told = "use lower-case letters, digits and single dashes, as in churn"
        raise click.UsageError(f"{team!r} is no name for a team's document; {told}")
    file = directory / f"{team}.yaml"
    compiled = {trigger.id for trigger in load(directory).triggers}
    with asking_the_account():
        here = home.current()
        found = list(inventory.existing(here, compiled))
        context = import_document.Here(here, inventory.pipeline_names(), datetime.now(UTC))
    with telling_problems():
        imported = import_document.document(found, file, context)
    for told in imported.left_out:
        click.echo(f"Left out: {told}", err=True)
    if not imported.triggers:
        click.echo("nothing to import: no schedule and no rule that could be moved starts a pipeline", err=True)
        return
    if output:
        with writing_files("name another file as --output"):
            output.write_text(imported.text, encoding="utf-8")
    else:
        click.echo(imported.text, nl=False)
    written = f"{imported.triggers} trigger{'' if imported.triggers == 1 else 's'}"
    then = "Look through them, make deploy, then remove what they replace: both run"
    click.echo(f"{written} written, for {file}. {then}", err=True)
