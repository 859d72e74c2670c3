"""The commands about batches and what waits: batches, close, drop, pause, resume."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from pipeline_triggers import aws
from pipeline_triggers.batches.models import Pause
from pipeline_triggers.cli import output
from pipeline_triggers.cli.deployed import DeployedTriggers, deployed
from pipeline_triggers.cli.options import complete_trigger, documents_option, json_option, stack_option
from pipeline_triggers.operations import pause as pausing
from pipeline_triggers.operations.batches import (
    SHOWN_ID,
    Batches,
    Ended,
    Entry,
    entry_json,
    iso,
    pause_text,
    state_of,
)
from pipeline_triggers.operations.pause import Subject
from pipeline_triggers.text import did_you_mean, span

SHOWN = 5  # batches of one trigger, state and pipeline that a terminal lists

batch_argument = click.argument("batch", metavar="BATCH")
wait_option = click.option(
    "--wait", "patience", type=click.IntRange(min=0), default=60, show_default=True, help="Seconds to wait."
)
names_argument = click.argument("names", nargs=-1, metavar="[TRIGGER]…", shell_complete=complete_trigger)
pipeline_option = click.option("--pipeline", "pipelines", multiple=True, help="A pipeline; may be repeated.")
all_option = click.option("--all", "everything", is_flag=True, help="Every trigger and pipeline.")


@click.command("batches")
@click.option("--trigger", shell_complete=complete_trigger, help="Only batches of this trigger, <team>/<name>.")
@documents_option
@stack_option
@json_option
def batches_command(trigger: str | None, directory: Path, stack: str, as_json: bool) -> None:
    """List the batches that are open or wait, and the pauses.

    Each with its events, its age, what it waits for and what is missing. Limits are those of the documents here.
    """
    here = deployed(directory, stack)
    batches = Batches(here.stack, here.limits)
    now = time.time()
    id_ = here.trigger(trigger).first_id if trigger else None
    entries = [entry for entry in batches.entries(now) if id_ in (None, entry.trigger)]
    pauses = pausing.holding(batches, now)
    if as_json:
        paused = [{"state": "pause", **pausing.as_json(one)} for one in pauses]
        output.data([*paused, *map(entry_json, entries)])
        return
    for one in pauses:
        output.labelled("pause", pause_text(one), f"since {iso(one.since)}, by {one.who}")
    if not entries:
        output.line("no batch is open or waits")
        return
    output.table(("batch", "trigger", "events", "age", "state"), _rows(entries, now))
    counts = Counter(entry.state for entry in entries)
    output.line(", ".join(f"{count} {state}" for state, count in counts.items()))


@click.command("close")
@batch_argument
@wait_option
@documents_option
@stack_option
@json_option
def close_command(batch: str, patience: int, directory: Path, stack: str, as_json: bool) -> None:
    """Close BATCH now, without waiting for more events.

    It starts ahead of min_interval and max_per_day, but never above max_running, and not while it is paused. The first
    characters of its id are enough.
    """
    here = deployed(directory, stack)
    batches = Batches(here.stack, here.limits)
    id_ = batches.find(batch)
    waiting, ended = batches.close(id_, patience)
    _show(id_, waiting, ended, as_json)
    if any(entry.state == "open" for entry in waiting) or not (waiting or ended):
        raise output.Failed(
            f"on_batch did not close it within {patience} s; it may still do so; check with triggers batches"
        )
    if any(one.outcome == "REJECTED" for one in ended):
        raise click.exceptions.Exit(1)


@click.command("drop")
@batch_argument
@click.option("--reason", required=True, help="Why; the verdict says it.")
@wait_option
@documents_option
@stack_option
@json_option
def drop_command(batch: str, reason: str, patience: int, directory: Path, stack: str, as_json: bool) -> None:
    """Drop BATCH: it ends as FILTERED for each pipeline at which its turn has not come.

    The first characters of its id are enough. Its events are not collected again.
    """
    here = deployed(directory, stack)
    batches = Batches(here.stack, here.limits)
    id_ = batches.find(batch)
    who = aws.sts().get_caller_identity()["Arn"]
    waiting, ended = batches.drop(id_, f"{reason} ({who})", patience)
    _show(id_, waiting, ended, as_json)
    if waiting or not ended:
        raise output.Failed(
            f"on_batch did not drop it within {patience} s; it may still do so; check with triggers batches"
        )
    if kept := [one for one in ended if one.outcome != "FILTERED"]:
        names = ", ".join(one.pipeline for one in kept)
        raise output.Failed(f"too late for {names}: its turn had come")


@click.command("pause")
@names_argument
@pipeline_option
@all_option
@click.option("--until", metavar="TIME", help="A date-time with its offset, as in 2026-12-01T08:00+01:00.")
@click.option("--indefinitely", is_flag=True, help="Until triggers resume.")
@click.option("--reason", required=True, help="Why; triggers batches shows it.")
@documents_option
@stack_option
@json_option
def pause_command(
    names: tuple[str, ...],
    pipelines: tuple[str, ...],
    everything: bool,
    until: str | None,
    indefinitely: bool,
    reason: str,
    directory: Path,
    stack: str,
    as_json: bool,
) -> None:
    """Hold back the starts of TRIGGERs, of pipelines, or of everything, without a deploy. Nothing is lost.

    It is in force within 60 seconds. What runs goes on; what comes waits, in order. Exits with 1 when it names
    direct triggers: AWS starts their pipelines without a handler, and no pause holds them.
    """
    ends = _until(until, indefinitely)
    here = deployed(directory, stack)
    batches = Batches(here.stack, here.limits)
    subjects = _subjects(names, pipelines, everything, here, batches)
    direct = {subject: pausing.unheld(subject, here.triggers) for subject in subjects}
    held = [subject for subject in subjects if not (subject.kind == "trigger" and direct[subject])]
    made = pausing.pause(held, ends, reason, batches, time.time())
    free = list(dict.fromkeys(name for names in direct.values() for name in names))
    if as_json:
        output.data([{**pausing.as_json(one), "not_held": direct[Subject(one.kind, one.name)]} for one in made])
    else:
        for one in made:
            output.labelled("paused", f"{pause_text(one)}", "in force within 60 seconds")
    if free:
        raise output.Failed(
            f"a pause can't hold {', '.join(free)}: AWS starts the pipelines itself (delivery: direct);"
            " write enabled: false and deploy"
        )


@click.command("resume")
@names_argument
@pipeline_option
@all_option
@documents_option
@stack_option
@json_option
def resume_command(
    names: tuple[str, ...], pipelines: tuple[str, ...], everything: bool, directory: Path, stack: str, as_json: bool
) -> None:
    """Release what pauses of TRIGGERs, pipelines or everything hold back, in the order in which it came.

    It begins within a minute. --all ends the pause that pause --all set; the others stay.
    """
    here = deployed(directory, stack)
    batches = Batches(here.stack, here.limits)
    before = pausing.holding(batches, time.time())
    subjects = _paused(names, pipelines, everything, before, {one.id: one.first_id for one in here.triggers})
    done = pausing.resume(subjects, batches)
    if as_json:
        output.data([pausing.as_json(one) for one in done])
    else:
        for one in done:
            subject = Subject(one.kind, one.name)
            output.labelled("resumed", f"{subject}, paused since {iso(one.since)}: {one.reason}")
    after = pausing.holding(batches, time.time())
    for subject in subjects:
        for one in pausing.still_held(subject, here.triggers, after):
            output.note(f"{subject} is not free yet: {pause_text(one)}")


def _rows(entries: Sequence[Entry], now: float) -> Iterator[tuple[str, ...]]:
    """Give a row for each batch, and one for what follows the first few of the same trigger in the same state."""
    numbers: Counter[tuple[str, str, str]] = Counter()
    for entry in entries:
        place = (entry.trigger, entry.state, entry.pipeline)
        numbers[place] += 1
        if numbers[place] <= SHOWN:
            events = "sealed" if entry.events is None else str(entry.events)
            yield entry.batch[:SHOWN_ID], entry.trigger, events, span(now - entry.since), state_of(entry)
    for (trigger, state, pipeline), number in numbers.items():
        if number > SHOWN:
            where = f" at {pipeline}" if pipeline else ""
            yield "…", trigger, "", "", f"{number - SHOWN} more {state}{where}; --json lists all"


def _show(batch: str, waiting: Sequence[Entry], ended: Sequence[Ended], as_json: bool) -> None:
    """Print what became of a batch: where it waits, and its verdicts."""
    if as_json:
        verdicts = [{"batch": batch, "state": "ended", **asdict(one)} for one in ended]
        output.data([*verdicts, *map(entry_json, waiting)])
        return
    output.labelled("batch", batch)
    for one in ended:
        output.labelled("verdict", f"{one.outcome} {one.pipeline} {one.reason}".rstrip())
    for entry in waiting:
        output.labelled(entry.state, f"{entry.pipeline}: {entry.reason}" if entry.pipeline else entry.reason)


def _until(until: str | None, indefinitely: bool) -> float | None:
    """Return when a pause ends in Unix seconds, None for never; end the command when that is not clear."""
    if (until is None) != indefinitely:
        raise output.usage_error("say how long: --until TIME or --indefinitely")
    if until is None:
        return None
    try:
        moment = datetime.fromisoformat(until)
    except ValueError as error:
        raise output.usage_error(f"--until {until} is not a date-time; write 2026-12-01T08:00+01:00") from error
    if moment.tzinfo is None:
        raise output.usage_error(f"--until {until} needs an offset, as in {until}Z for UTC or {until}+01:00")
    if moment.timestamp() <= time.time():
        raise output.usage_error(f"--until {until} has passed")
    return moment.timestamp()


def _subjects(
    names: Sequence[str], pipelines: Sequence[str], everything: bool, here: DeployedTriggers, batches: Batches
) -> list[Subject]:
    """Return what is to be paused; end the command when that does not exist."""
    _check_choice(names, pipelines, everything)
    known = {start.pipeline for trigger in here.triggers for start in trigger.start}
    known |= {pipeline.name for pipeline in batches.store.pipelines()} if pipelines else set()
    for pipeline in pipelines:
        if pipeline not in known:
            remedy = did_you_mean(pipeline, sorted(known)) if known else "no trigger starts any"
            raise output.usage_error(f"no trigger starts a pipeline {pipeline}; {remedy}")
    triggers = [Subject("trigger", here.trigger(name).first_id) for name in names]
    chosen = [*triggers, *(Subject("pipeline", pipeline) for pipeline in pipelines)]
    return [*dict.fromkeys(chosen), *([Subject("all")] if everything else [])]


def _paused(
    names: Sequence[str],
    pipelines: Sequence[str],
    everything: bool,
    pauses: Sequence[Pause],
    first_ids: Mapping[str, str],
) -> list[Subject]:
    """Return what is to be resumed; end the command when that is not paused.

    ``first_ids`` are those of renamed triggers by their ids: pauses go by them.
    """
    _check_choice(names, pipelines, everything)
    if not pauses:
        raise output.Failed("nothing is paused")
    paused = [Subject(one.kind, one.name) for one in pauses]
    chosen = [Subject("pipeline", pipeline) for pipeline in pipelines] + ([Subject("all")] if everything else [])
    for name in names:
        name = first_ids.get(name, name)
        same = [one for one in paused if one.kind == "trigger" and name in (one.name, one.name.partition("/")[2])]
        chosen.append(same[0] if len(same) == 1 else Subject("trigger", name))
    for subject in chosen:
        if subject not in paused:
            raise output.Failed(f"{subject} is not paused itself; paused: {', '.join(map(str, paused))}")
    return list(dict.fromkeys(chosen))


def _check_choice(names: Sequence[str], pipelines: Sequence[str], everything: bool) -> None:
    if everything == bool(names or pipelines):
        raise output.usage_error("name triggers or pipelines, or write --all")
