"""The commands about what deleted pipelines leave behind: orphans, restore."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import click
from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from pipeline_triggers.account import home, pipelines
from pipeline_triggers.cli.common import asking_the_account, console, json_option, stack_option
from pipeline_triggers.errors import Waiting
from pipeline_triggers.janitor import removal, snapshots
from pipeline_triggers.janitor.cleanups import Cleanup, Policy
from pipeline_triggers.janitor.snapshots import Snapshot
from pipeline_triggers.operations import cloudtrail, stacks
from pipeline_triggers.operations.restore import restore
from pipeline_triggers.settings import globs_of

FAILED = "failed"

dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing; say what would be done.")


@dataclass(frozen=True, slots=True)
class Line:
    """What is printed of a thing; ``since`` is when its pipeline was deleted."""

    what: str
    pipeline: str
    outcome: str
    why: str
    since: str = ""


@click.command("orphans")
@click.option("--remove", is_flag=True, help="Remove them, each with a snapshot.")
@dry_run_option
@click.option("--most", type=click.IntRange(min=1), help="How many may be removed.  [default: the stack's parameter]")
@stack_option
@json_option
def orphans_command(remove: bool, dry_run: bool, most: int | None, stack: str, as_json: bool) -> None:
    """List the schedules and rule targets whose pipeline is gone: what, why, since when.

    With --remove, remove them; triggers restore brings them back.
    """
    with asking_the_account(), Progress(console=console(stderr=True), transient=True) as progress:
        policy = _policy(stack)
        policy = replace(policy, max_removals=most or policy.max_removals)
        found = _look(policy, progress)
        since = _deletions() if found.orphans or found.kept else {}
    too_many = found.too_many(policy.max_removals)
    if remove and not dry_run and not too_many:
        done, problem = _remove(found, policy)
    else:
        done, problem = found, None
    outcome = "would be removed" if remove and not too_many else "orphan"
    lines = [
        *(Line(str(one), one.pipeline, "removed", "its pipeline is gone") for one in done.removed),
        *(Line(str(one), one.pipeline, outcome, "its pipeline is gone") for one in done.orphans),
        *(Line(one.what, one.pipeline, "kept", one.reason) for one in done.kept),
    ]
    _show([replace(line, since=since.get(line.pipeline.lower(), "unknown")) for line in lines], as_json)
    if more := done.kept_count - len(done.kept):
        click.echo(f"Note: {more} more are kept", err=True)
    if remove and too_many:
        problem = (
            f"{len(found.orphans)} orphans are more than may be removed at once ({policy.max_removals}),"
            f" so nothing was removed; if they are really orphans, allow it with --most {len(found.orphans)}"
        )
    if problem:
        raise click.ClickException(problem)


@click.command("restore")
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--pipeline", help="Restore all that pointed at this pipeline.")
@dry_run_option
@stack_option
@json_option
def restore_command(names: tuple[str, ...], pipeline: str | None, dry_run: bool, stack: str, as_json: bool) -> None:
    """Put back what the janitor removed, as it was: schedules and rules' targets by NAME, GROUP/NAME or BUS/NAME.

    What is there already is not touched. Without a name, list what was removed, and when.
    """
    if names and pipeline:
        raise click.UsageError("name what to restore, or its pipeline with --pipeline, not both")
    with asking_the_account():
        found = list(_wanted(stacks.stack(stack).resources["SnapshotTable"], names, pipeline))
    if not names and not pipeline:
        _show([_listed(snapshot) for snapshot in found], as_json, "no snapshots")
        return
    known = {name for snapshot in found for name in _names(snapshot)}
    if missing := [name for name in names if name not in known]:
        raise click.ClickException(f"no snapshot of {', '.join(missing)}, so nothing was restored")
    if not found:
        raise click.ClickException(f"no snapshot of anything that pointed at {pipeline}")
    lines = [_restore(snapshot, dry_run) for snapshot in found]
    _show(lines, as_json)
    with asking_the_account():
        for name in sorted({line.pipeline for line in lines if line.outcome != FAILED}):
            if pipelines.status([name]) is pipelines.Status.GONE:
                click.echo(f"Note: pipeline {name} is not there; create it, or a sweep may remove this again", err=True)
    if any(line.outcome == FAILED for line in lines):
        raise click.exceptions.Exit(1)


def _policy(stack: str) -> Policy:
    """Return how the deployed stack wants it, for the account that the credentials name."""
    found = stacks.stack(stack)
    return Policy(
        home.current(),
        globs_of(found.parameters["JanitorIgnore"]),
        int(found.parameters["JanitorMostRemovals"]),
        found.parameters["JanitorEmptyRules"] == "remove",
        int(found.parameters["SnapshotDays"]),
        found.resources["SnapshotTable"],
    )


def _look(policy: Policy, progress: Progress) -> Cleanup:
    """Look at everything, and say how far it is. All are listed, though more than may be removed."""
    task = progress.add_task("schedules and rules looked at", total=None)
    found = Cleanup(str(uuid.uuid4()), int(time.time()), None, removes=True)
    for found_so_far in removal.find_orphans(found, replace(policy, max_removals=sys.maxsize)):
        found = found_so_far
        progress.update(task, description=f"looked at {found.looked_at}, orphans {len(found.orphans)}")
    return found


def _deletions() -> dict[str, str]:
    try:
        return {name: when.isoformat(timespec="seconds") for name, when in cloudtrail.deletions().items()}
    except (BotoCoreError, ClientError) as error:
        click.echo(f"Note: CloudTrail can't be asked since when: {error}", err=True)
        return {}


def _remove(found: Cleanup, policy: Policy) -> tuple[Cleanup, str | None]:
    """Remove what was found; return what was done, though it breaks off in the middle, and then why."""
    done = found
    try:
        with asking_the_account(), Progress(console=console(stderr=True), transient=True) as progress:
            task = progress.add_task("orphans removed", total=len(found.orphans))
            for done_so_far in removal.remove_orphans(found, policy):
                done = done_so_far
                progress.advance(task)
    except KeyboardInterrupt:
        return done, "interrupted; triggers restore lists what was just being removed, too"
    except Waiting as error:
        return done, f"{error}; run this again for the rest"
    except click.ClickException as error:
        return done, f"{error.message}; run this again for the rest"
    return done, None


def _listed(snapshot: Snapshot) -> Line:
    when = datetime.fromtimestamp(snapshot.taken_at, UTC).isoformat()
    return Line(str(snapshot.orphan), snapshot.orphan.pipeline, "snapshot", f"taken at {when}, before its removal")


def _restore(snapshot: Snapshot, dry_run: bool) -> Line:
    about = (str(snapshot.orphan), snapshot.orphan.pipeline)
    try:
        with asking_the_account():
            done = restore(snapshot, datetime.now(UTC), dry_run=dry_run)
    except click.ClickException as error:
        return Line(*about, FAILED, error.message)
    if done.restored:
        outcome = "would be restored" if dry_run else "restored"
    else:
        outcome = FAILED if done.failed else "not restored"
    return Line(*about, outcome, "; ".join(done.notes))


def _wanted(table: str, names: tuple[str, ...], pipeline: str | None) -> Iterator[Snapshot]:
    if pipeline:
        yield from snapshots.of_pipeline(table, pipeline)
    else:
        found = snapshots.everything(table)
        yield from (snapshot for snapshot in found if not names or _names(snapshot) & set(names))


def _names(snapshot: Snapshot) -> set[str]:
    return {snapshot.orphan.name, f"{snapshot.orphan.place}/{snapshot.orphan.name}"}


def _show(lines: list[Line], as_json: bool, nothing: str = "no orphans") -> None:
    if as_json:
        click.echo(json.dumps([asdict(line) for line in lines], indent=2, ensure_ascii=False))
        return
    if not lines:
        click.echo(nothing)
        return
    table = Table("what", "pipeline", "", "", "since", box=None, pad_edge=False)
    for line in lines:
        table.add_row(*map(Text, (line.what, line.pipeline, line.outcome, line.why, line.since)))
    console().print(table)
