"""The commands about what deleted pipelines leave behind: orphans, restore."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import click
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers.account import home, pipelines
from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import dry_run_option, json_option, stack_option
from pipeline_triggers.errors import Waiting
from pipeline_triggers.janitor import removal, snapshots
from pipeline_triggers.janitor.cleanups import Cleanup, Policy
from pipeline_triggers.janitor.snapshots import Snapshot
from pipeline_triggers.operations import cloudtrail, stacks
from pipeline_triggers.operations.restore import restore
from pipeline_triggers.settings import globs_of

FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Line:
    """What is printed of a schedule or target; ``since`` is when its pipeline was deleted."""

    what: str
    pipeline: str
    outcome: str
    why: str
    since: str = ""


@click.command("orphans")
@click.option("--remove", is_flag=True, help="Remove them, each with a snapshot.")
@dry_run_option
@click.option(
    "--most",
    "max_removals",
    type=click.IntRange(min=1),
    help="The maximum number to remove.  [default: the stack's parameter]",
)
@stack_option
@json_option
def orphans_command(remove: bool, dry_run: bool, max_removals: int | None, stack: str, as_json: bool) -> None:
    """List the schedules and rule targets whose pipeline is gone: what, why, since when.

    With --remove, remove them; triggers restore brings them back.
    """
    policy = _policy(stack, max_removals)
    found = _find(policy)
    since = _deletion_times() if found.orphans or found.kept else {}
    too_many = found.too_many(policy.max_removals)
    done, problem = _remove(found, policy) if remove and not dry_run and not too_many else (found, None)
    outcome = "would be removed" if remove and not too_many else "orphan"
    lines = [
        *(Line(str(orphan), orphan.pipeline, "removed", "its pipeline is gone") for orphan in done.removed),
        *(Line(str(orphan), orphan.pipeline, outcome, "its pipeline is gone") for orphan in done.orphans),
        *(Line(kept.what, kept.pipeline, "kept", kept.reason) for kept in done.kept),
    ]
    _show([replace(line, since=since.get(line.pipeline.lower(), "unknown")) for line in lines], as_json, "no orphans")
    if more := done.kept_count - len(done.kept):
        output.note(f"{more} more are kept")
    if remove and too_many:
        problem = (
            f"{len(found.orphans)} orphans are more than may be removed at once ({policy.max_removals}), so nothing was"
            f" removed; if they are really orphans, allow it with --most {len(found.orphans)}"
        )
    if problem:
        raise output.Failed(problem)


@click.command("restore")
@click.argument("names", nargs=-1, metavar="NAME…")
@click.option("--pipeline", help="Restore all that pointed at this pipeline.")
@dry_run_option
@stack_option
@json_option
def restore_command(names: tuple[str, ...], pipeline: str | None, dry_run: bool, stack: str, as_json: bool) -> None:
    """Restore schedules and rules' targets that the janitor removed, by NAME, GROUP/NAME or BUS/NAME.

    What exists is not touched. Without a name, list what was removed, and when.
    """
    if names and pipeline:
        raise output.usage_error("give names or --pipeline, not both")
    chosen = list(_snapshots(stacks.stack(stack).resources["SnapshotTable"], names, pipeline))
    if not names and not pipeline:
        _show([_snapshot_line(snapshot) for snapshot in chosen], as_json, "no snapshots")
        return
    known = {name for snapshot in chosen for name in _names(snapshot)}
    if missing := [name for name in names if name not in known]:
        raise output.Failed(f"no snapshot of {', '.join(missing)}, so nothing was restored")
    if not chosen:
        raise output.Failed(f"no snapshot of anything that pointed at {pipeline}")
    lines = [_restore(snapshot, dry_run) for snapshot in chosen]
    _show(lines, as_json, "no snapshots")
    for name in sorted({line.pipeline for line in lines if line.outcome != FAILED}):
        _note_missing_pipeline(name)
    if any(line.outcome == FAILED for line in lines):
        raise click.exceptions.Exit(1)


def _policy(stack: str, max_removals: int | None) -> Policy:
    """Return what the deployed stack's parameters allow, for the account that the credentials name."""
    deployed = stacks.stack(stack)
    return Policy(
        home=home.current(),
        ignore=globs_of(deployed.parameters["JanitorIgnore"]),
        max_removals=max_removals or int(deployed.parameters["JanitorMostRemovals"]),
        remove_empty_rules=deployed.parameters["JanitorEmptyRules"] == "remove",
        snapshot_days=int(deployed.parameters["SnapshotDays"]),
        snapshot_table=deployed.resources["SnapshotTable"],
    )


def _find(policy: Policy) -> Cleanup:
    """Look at everything, and show how far it is. All orphans are listed, also more than may be removed."""
    found = Cleanup(str(uuid.uuid4()), int(time.time()), None, removes=True)
    with output.progress() as progress:
        for found_so_far in removal.find_orphans(found, replace(policy, max_removals=sys.maxsize)):
            found = found_so_far
            description = f"looked at {found.looked_at}, orphans {len(found.orphans)}"
            progress.update(progress.task_ids[0], description=description)
    return found


def _deletion_times() -> dict[str, str]:
    try:
        return {name: when.isoformat(timespec="seconds") for name, when in cloudtrail.deletions().items()}
    except (BotoCoreError, ClientError) as error:
        output.note(f"CloudTrail did not say since when: {error}")
        return {}


def _remove(found: Cleanup, policy: Policy) -> tuple[Cleanup, str | None]:
    """Remove the orphans; return what was done, also when it broke off, and then why."""
    done = found
    try:
        with output.progress(len(found.orphans)) as progress:
            for done_so_far in removal.remove_orphans(found, policy):
                done = done_so_far
                progress.advance(progress.task_ids[0])
    except KeyboardInterrupt:
        return done, "interrupted; triggers restore also lists what was just being removed"
    except (Waiting, BotoCoreError, ClientError) as error:
        return done, f"{error}; run this again for the rest"
    return done, None


def _snapshot_line(snapshot: Snapshot) -> Line:
    when = datetime.fromtimestamp(snapshot.taken_at, UTC).isoformat()
    return Line(str(snapshot.orphan), snapshot.orphan.pipeline, "snapshot", f"taken at {when}, before its removal")


def _restore(snapshot: Snapshot, dry_run: bool) -> Line:
    thing = (str(snapshot.orphan), snapshot.orphan.pipeline)
    try:
        done = restore(snapshot, datetime.now(UTC), dry_run=dry_run)
    except (BotoCoreError, ClientError) as error:
        return Line(*thing, FAILED, str(error))
    if done.restored:
        outcome = "would be restored" if dry_run else "restored"
    else:
        outcome = FAILED if done.failed else "not restored"
    return Line(*thing, outcome, "; ".join(done.notes))


def _note_missing_pipeline(name: str) -> None:
    """Warn that what was restored points at nothing; ARNs may spell the pipeline's name in lower case."""
    try:
        if not pipelines.exists(name):
            output.note(f"pipeline {name} does not exist; create it, or a sweep may remove this again")
    except (BotoCoreError, ClientError) as error:
        output.note(f"pipeline {name} could not be looked up: {error}")


def _snapshots(table: str, names: tuple[str, ...], pipeline: str | None) -> Iterator[Snapshot]:
    if pipeline:
        yield from snapshots.of_pipeline(table, pipeline)
    else:
        everything = snapshots.everything(table)
        yield from (snapshot for snapshot in everything if not names or _names(snapshot) & set(names))


def _names(snapshot: Snapshot) -> set[str]:
    return {snapshot.orphan.name, f"{snapshot.orphan.place}/{snapshot.orphan.name}"}


def _show(lines: list[Line], as_json: bool, nothing: str) -> None:
    if as_json:
        output.data([asdict(line) for line in lines])
    elif lines:
        names = [name for name in ("what", "pipeline", "outcome", "since", "why") if name != "since" or lines[0].since]
        output.table(names, [[getattr(line, name) for name in names] for line in lines])
    else:
        output.line(nothing)
