"""Triggers that start the same pipeline on the same events: each event then starts it twice."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from itertools import product
from typing import NamedTuple

from pipeline_triggers.language import globs
from pipeline_triggers.language.sources import SOURCES, takes_requests
from pipeline_triggers.models import Start, Trigger


class _Starter(NamedTuple):
    """A trigger among those that differ in one glob only; sorted by what the glob begins with."""

    prefix: str
    number: int
    glob: str
    matches: Callable[[str, str], bool]
    trigger: str


def double_starts(triggers: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    """Yield (a trigger, what an earlier one starts as well); the triggers are those of one stage.

    Two triggers with different conditions, and two schedules with different parameters, are taken to be meant; so are
    two that collect events differently.
    """
    alike: dict[tuple[str, str], list[_Starter]] = defaultdict(list)
    for number, trigger in enumerate(triggers):
        if trigger.enabled and not trigger.dry_run and not trigger.all_of and not takes_requests(trigger.when):
            for start in trigger.start:
                for rest, starter in _starters(number, trigger, start):
                    alike[start.pipeline, rest].append(starter)
    doubled: dict[tuple[int, int], tuple[str, str]] = {}
    for (pipeline, _), starters in alike.items():
        for pair in _overlapping(sorted(starters)):
            first, second = sorted(pair, key=lambda starter: starter.number)
            message = f"starts {pipeline} on the same events as {first.trigger}; narrow one of them"
            doubled[second.number, first.number] = (second.trigger, message)
    yield from (doubled[numbers] for numbers in sorted(doubled))


def _starters(number: int, trigger: Trigger, start: Start) -> Iterator[tuple[str, _Starter]]:
    """Yield (what fires the trigger besides its glob, the glob) for each combination of the words that it lists."""
    source = SOURCES[trigger.when.source]
    fields = dict(trigger.when.fields)
    glob = "**"  # everything, where the source has none or it is left out
    matches: Callable[[str, str], bool] = globs.matches_name
    for name, field in source.fields.items():
        if field.glob:
            glob, matches = fields.pop(name, glob), field.glob
    listed = [name for name, field in source.fields.items() if field.choices and name in fields]
    words = [[(name, word) for word in fields.pop(name)] for name in listed]
    parameters = start.parameters if source.name == "schedule" else {}
    for chosen in product(*words):
        collect = asdict(trigger.collect) if trigger.collect else None
        rest = json.dumps([source.name, chosen, fields, trigger.condition, parameters, collect], sort_keys=True)
        yield rest, _Starter(globs.literal_prefix(glob), number, glob, matches, trigger.id)


def _overlapping(starters: list[_Starter]) -> Iterator[tuple[_Starter, _Starter]]:
    """Yield each two of which one matches an example of the other; others may have events in common, too."""
    for at, one in enumerate(starters):
        for other in starters[at + 1 :]:
            if not other.prefix.startswith(one.prefix):
                break  # and neither does any later one, in this order
            if one.matches(one.glob, _example(other.glob)) or one.matches(other.glob, _example(one.glob)):
                yield one, other


def _example(glob: str) -> str:
    return glob.replace("**", "a/b").replace("*", "a")
