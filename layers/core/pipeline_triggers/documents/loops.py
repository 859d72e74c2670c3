"""Pipelines whose end starts them again, by way of the triggers: they would run forever."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

from pipeline_triggers.language.globs import matches_name
from pipeline_triggers.models import Trigger, all_views

REMEDY = "start another pipeline, or remove or disable one of these triggers"


def all_of(triggers: Iterable[Trigger]) -> Iterator[tuple[str, list[str]]]:
    """Yield a trigger of each loop, with the way round, as if those given before had been removed."""
    left = list(triggers)
    # Those that start what they wait for come first, all at once: there may be many.
    at_once = {id_: name for id_, ended, name in _steps(left) if ended == name}
    yield from ((id_, [name, name]) for id_, name in at_once.items())
    left = [trigger for trigger in left if trigger.id not in at_once]
    while loop := find(left):
        yield loop
        left = [trigger for trigger in left if trigger.id != loop[0]]


def _steps(triggers: list[Trigger]) -> Iterator[tuple[str, str, str]]:
    """Yield (a trigger, a pipeline whose end it waits for, a pipeline that it starts)."""
    enabled = [view for view in all_views(triggers) if view.enabled]
    started = {start.pipeline.lower() for trigger in enabled for start in trigger.start}
    for trigger in enabled:
        if trigger.when.source == "pipeline":
            for ended in started:
                if matches_name(trigger.when.fields["name"].lower(), ended):
                    yield from ((trigger.id, ended, start.pipeline.lower()) for start in trigger.start)


def find(triggers: Iterable[Trigger]) -> tuple[str, list[str]] | None:
    """Return a trigger that closes a loop, with the pipelines on the way round, the first one twice; or None.

    Names are compared in lower case, as the events' ARNs may be. The triggers are those of one stage.
    """
    # (what ended, what that starts) → by which trigger
    steps = {(ended, started): id_ for id_, ended, started in _steps(list(triggers))}
    order: TopologicalSorter[str] = TopologicalSorter()
    for ended, starts in steps:
        order.add(starts, ended)
    try:
        order.prepare()
    except CycleError as error:
        loop: list[str] = error.args[1]
        return steps[next(iter(pairwise(loop)))], loop
    return None
