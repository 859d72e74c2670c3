"""``triggers``: check and compile the trigger documents.

Exit codes: 0 all is well; 1 something is wrong, and stands on standard error; 2 the command line is wrong.
"""

from __future__ import annotations

from pathlib import Path

import click
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import account, documents
from pipeline_triggers import compile as compiler
from pipeline_triggers.errors import DocumentsError

_documents_option = click.option(
    "--documents",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("layers/triggers"),
    show_default=True,
    help="The folder that holds <team>.yaml and stages.yaml.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pipeline-triggers")
def main() -> None:
    """Start Amazon SageMaker Pipelines from events."""


@main.command("compile")
@_documents_option
@click.option("--check", is_flag=True, help="Write nothing; fail if the compiled files are stale.")
def compile_command(directory: Path, check: bool) -> None:
    """Compile the documents into compiled/triggers.json and compiled/stack.yaml."""
    loaded = _load(directory)
    compiled = compiler.compile_documents(loaded)
    stale = compiler.stale(directory, compiled)
    if check and stale:
        raise click.ClickException(
            f"{', '.join(map(str, stale))}: not what the documents compile to; run: make compile"
        )
    if not check:
        compiler.write(directory, compiled)
    click.echo(f"{_count(loaded)}, compiled files {'changed' if stale else 'up to date'}")


@main.command("check")
@_documents_option
@click.option("--aws", "ask_aws", is_flag=True, help="Also ask the account: pipelines, buckets.")
@click.option("--stage", default="dev", show_default=True, help="Whose values of stages.yaml to use with --aws.")
def check_command(directory: Path, ask_aws: bool, stage: str) -> None:
    """Check the documents, and with --aws what only the account knows."""
    loaded = _load(directory)
    if ask_aws:
        if stage not in loaded.stages:
            raise click.UsageError(f"stages.yaml has no stage {stage}; it has {', '.join(loaded.stages)}")
        try:
            problems = account.problems(loaded, stage)
        except (BotoCoreError, ClientError) as error:
            raise click.ClickException(f"the account can't be asked: {error}") from error
        if problems:
            raise click.ClickException("\n".join(problems))
    click.echo(f"{_count(loaded)}, all well")


def _load(directory: Path) -> documents.Documents:
    try:
        return documents.load(directory)
    except DocumentsError as error:
        raise click.ClickException(f"the documents are wrong\n{error}") from error


def _count(loaded: documents.Documents) -> str:
    return f"{len(loaded.triggers)} trigger{'' if len(loaded.triggers) == 1 else 's'}"
