"""``triggers import``: what starts pipelines in the account becomes a document."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline_triggers.account import home
from pipeline_triggers.account.references import Unread
from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import documents_option
from pipeline_triggers.documents import loader
from pipeline_triggers.operations import import_document, inventory


@click.command("import")
@click.option("--team", default="imported", show_default=True, help="The team that owns the document: <team>.yaml.")
@click.option(
    "--output",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the document to this new file, as in layers/triggers/imported.yaml; otherwise it is printed.",
)
@documents_option
def import_command(team: str, path: Path | None, directory: Path) -> None:
    """Write the account's schedules and rules that start pipelines as a trigger document.

    Whoever made them: the SageMaker SDK, a person, the console. Those compiled from the documents are left out.
    """
    if path and path.exists():
        raise output.usage_error(f"{path} exists; name another file")
    if not loader.is_team(team):
        remedy = "use lower-case letters, digits and single dashes, as in churn"
        raise output.usage_error(f"{team!r} can't name a team's document; {remedy}")
    file = directory / f"{team}.yaml"
    compiled = {trigger.id for trigger in loader.load(directory).triggers}
    here = home.current()
    existing = list(inventory.existing(here, compiled))
    names = inventory.pipeline_names()
    started = {pipeline.name.lower() for one in existing if not isinstance(one, Unread) for pipeline in one.pipelines}
    required, unread = inventory.required_parameters(names[name] for name in sorted(started & names.keys()))
    context = import_document.Here(here, names, datetime.now(UTC), required)
    imported = import_document.document(existing, file, context)
    for reason in imported.left_out:
        output.aside("Left out", reason)
    for missing in imported.missing:
        output.aside("Missing", missing)
    for pipeline in unread:
        output.note(f"the required parameters of {pipeline} are unknown: {pipeline.reason}")
    if not imported.triggers:
        output.aside("Nothing to import", "no schedule or rule that starts a pipeline can become a trigger")
        return
    _write(imported.text, path)
    count = f"{imported.triggers} trigger{'' if imported.triggers == 1 else 's'}"
    output.aside(
        "Written", f"{count}, for {file}. Review them, run make deploy, then remove what they replace, or both run"
    )


def _write(text: str, path: Path | None) -> None:
    if path is None:
        for line in text.splitlines():
            output.line(line)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise output.Failed(f"{path}: {error.strerror}; name another file as --output") from error
