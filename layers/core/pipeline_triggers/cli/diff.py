"""``triggers diff``: what a change of the documents changes."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import documents_option, json_option, stack_option
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.operations import examples
from pipeline_triggers.operations.diff import Change, Version, changes, version


@click.command("diff")
@click.argument("ref", metavar="[GIT-REF]", default="")
@click.option(
    "--deployed", "with_deployed", is_flag=True, help="Compare with what the stack's functions were deployed with."
)
@documents_option
@stack_option
@json_option
def diff_command(ref: str, with_deployed: bool, directory: Path, stack: str, as_json: bool) -> None:
    """Say what changes between a commit's documents (HEAD) and those here: triggers, and what their examples start.

    Text that stands elsewhere or in another order is not a change. The stages come in the order of stages.yaml; of the
    second and later ones only what the first does not show.
    """
    if ref and with_deployed:
        raise output.usage_error("write either a commit or --deployed")
    after = loader.load(directory)
    found = list(_with_deployed(stack, after) if with_deployed else _by_stage(_at(ref or "HEAD", directory), after))
    if as_json:
        output.data([{"stage": stage, **asdict(change)} for stage, change in found])
        return
    first = found[0][0] if with_deployed and found else next(iter(after.stages))
    for stage, change in found:
        what = f"limits of {change.name}" if change.kind == "limits" else change.name
        kind = "changed" if change.kind == "limits" else change.kind
        output.line(f"{what}: {kind}{'' if stage == first else f' in {stage}'}")
        for text in (*change.lines, *change.effects):
            output.line(f"  {text}")
    counts = Counter(change.kind for _, change in found if change.kind != "limits")
    triggers = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    output.line(f"triggers: {triggers}" if triggers else "no trigger changes")


def _with_deployed(stack: str, after: Documents) -> Iterator[tuple[str, Change]]:
    """Compare with a deployed stack, in its own stage."""
    # boto3 takes most of a second to import.
    from pipeline_triggers.account import home
    from pipeline_triggers.operations import stacks
    from pipeline_triggers.operations.doctor.deployment import Deployment

    deployed = Deployment(stacks.stack(stack))
    stage = deployed.stack.parameters["Stage"]
    if stage not in after.stages:
        raise output.Failed(f"{stack} has the stage {stage}, which stages.yaml lacks")
    here = version(after, stage, home.current().pseudo_parameters())
    there = Version({trigger.id: trigger for trigger in deployed.triggers}, deployed.limits, here.values)
    for change in changes(there, here, examples.offline()):
        yield stage, change


def _by_stage(before: Documents, after: Documents) -> Iterator[tuple[str, Change]]:
    shown: set[tuple[str, str]] = set()
    for stage in after.stages:
        if stage in before.stages:
            for change in changes(version(before, stage), version(after, stage), examples.offline()):
                if (change.kind, change.name) not in shown:
                    shown.add((change.kind, change.name))
                    yield stage, change


def _at(ref: str, directory: Path) -> Documents:
    """Read the documents as a commit has them; end the command where it has none, or wrong ones."""
    commit = _git(directory, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}").decode()
    if not commit:
        raise output.usage_error(f"{ref} is not a commit of the repository that holds {directory}")
    root = Path(_git(directory, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    inside = directory.resolve().relative_to(root.resolve())
    archive = _git(root, "archive", "--format=tar", f"{commit.strip()}:{'' if inside == Path() else inside}")
    if not archive:
        raise output.Failed(f"{ref} has no folder {inside}")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
        try:
            return loader.load(Path(folder))
        except DocumentsError as error:
            problem = str(error.problems[0]).removeprefix(f"{folder}/")
            raise output.Failed(f"the documents of {ref} have problems; the first is {problem}") from error


def _git(directory: Path, *arguments: str) -> bytes:
    """Return what a command of git prints, nothing where it fails."""
    # The arguments are ours, and a ref that git itself resolves; no shell sees them.
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, check=False, capture_output=True).stdout  # noqa: S603
