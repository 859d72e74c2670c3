"""A trigger in words, as ``triggers list`` shows it: what fires it, how its events are collected, what limits it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pipeline_triggers.models import Collect, Limits, Trigger, When
from pipeline_triggers.text import duration


def when(trigger: Trigger) -> str:
    """Say what fires a trigger; the sources of several by the names of their parts."""
    if not trigger.all_of:
        return _source(trigger.when)
    return "; ".join(f"{name}: {_source(part.when)}" for name, part in trigger.all_of.items())


def batch_and_limits(trigger: Trigger, limits: Mapping[str, Limits]) -> str:
    """Say what a start waits for, besides the event: the rest of its batch, and the limits of its pipelines."""
    return "; ".join([*_batch(trigger), *_limits(trigger, limits)])


def _source(when: When) -> str:
    fields = " ".join(f"{name}={_plain(value)}" for name, value in when.fields.items())
    return f"{when.source} {fields}".strip()


def _plain(value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _batch(trigger: Trigger) -> Iterator[str]:
    collect = trigger.collect
    if collect is None:
        return
    keys = dict.fromkeys(view.collect.by for view in trigger.views() if view.collect and view.collect.by)
    yield f"one batch per {' or '.join(keys)}" if keys else "one batch"
    if trigger.all_of or collect.expect is not None:
        yield from _join(tuple(trigger.all_of) or collect.expect, collect)
    else:
        quiet, max_open = duration(collect.quiet), duration(collect.max_open)
        yield f"closes {quiet} after its last event, {max_open} after its first, or at {collect.max_events} events"
    if collect.only_if:
        yield f"starts only if {collect.only_if}"


def _join(expect: tuple[str, ...] | int | str | None, collect: Collect) -> Iterator[str]:
    parts = ", ".join(expect) if isinstance(expect, tuple) else f"{expect} parts"
    yield f"closes when {parts} are there"
    if deadline := collect.deadline:
        after = f"{duration(deadline.after)} after its first event" if deadline.after is not None else ""
        then = "started" if deadline.start_incomplete else "reported"
        yield f"{then} incomplete {after or f'at cron {deadline.cron} in {deadline.timezone}'}"


def _limits(trigger: Trigger, limits: Mapping[str, Limits]) -> Iterator[str]:
    limited = {start.pipeline: limits[start.pipeline] for start in trigger.start if start.pipeline in limits}
    for pipeline, of_pipeline in limited.items():
        words = [
            f"{of_pipeline.max_running} at a time" if of_pipeline.max_running else "",
            f"{duration(of_pipeline.min_interval)} apart" if of_pipeline.min_interval else "",
            f"{of_pipeline.max_per_day} in 24 hours" if of_pipeline.max_per_day else "",
        ]
        yield f"{pipeline}: {', '.join(filter(None, words))}"
    if limited and not trigger.collect:
        yield "skipped at a limit" if trigger.when_busy == "skip" else "waits at a limit"
