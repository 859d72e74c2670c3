"""What a change of the documents changes, in words: triggers, what fires them, and what their examples start."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import chain
from typing import Any

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.examples import Example
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.documents.renames import WITHOUT_WAS, name_in, renamed, written
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.stages import resolve, resolve_trigger
from pipeline_triggers.models import Limits, Trigger
from pipeline_triggers.operations import wording
from pipeline_triggers.operations.examples import Came, Events, Matches, came_of, events_of, stage_values, words_of


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the triggers and of the pipelines' limits as a stage sees them.

    ``values`` stand for each ``${Name}`` while events are played. ``places`` says where each example stands.
    """

    triggers: Mapping[str, Trigger]
    limits: Mapping[str, Limits]
    values: Mapping[str, str]
    examples: Mapping[str, Sequence[Example]] = field(default_factory=dict)
    places: Mapping[tuple[str, FieldPath], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One trigger that was added, removed, renamed or changed, or one pipeline whose limits changed.

    ``lines`` say what changed in the document, ``effects`` which examples and samples come to something else.
    """

    kind: str
    name: str
    lines: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()


def version(documents: Documents, stage: str, account: Mapping[str, str] | None = None) -> Version:
    """Return documents as a stage sees them, with an account's pseudo parameters or made-up ones."""
    values = {**stage_values(documents, stage), **(account or {})}
    triggers = {trigger.id: resolve_trigger(trigger, values) for trigger in documents.triggers}
    limits = {resolve(name, values): limits for name, limits in documents.limits.items()}
    places = {}
    for example in chain.from_iterable(documents.examples.values()):
        problem = documents.problem(example.trigger, example.path, "")
        places[example.trigger, example.path] = f"{problem.file.rpartition('/')[2]}:{problem.line}"
    return Version(triggers, limits, values, documents.examples, places)


def changes(before: Version, after: Version, matches: Matches) -> Iterator[Change]:
    """Yield what differs between two versions; what stands elsewhere or in another order does not.

    ``matches`` says which patterns match the events of examples.
    """
    removed = {name: trigger for name, trigger in before.triggers.items() if name not in after.triggers}
    added = [trigger for name, trigger in after.triggers.items() if name not in before.triggers]
    former_names = dict(renamed(removed, added))
    for name, trigger in after.triggers.items():
        former = before.triggers.get(former_names.get(name, name))
        if former is None:
            yield Change("added", name, tuple(_about(trigger)))
            continue
        now = written(trigger)
        lines = tuple(_lines({**written(former), "was": now["was"]} if name in former_names else written(former), now))
        effects = tuple(_effects(former, trigger, before, after, matches)) if lines else ()
        if name in former_names:
            yield Change("renamed", name, (*_about_name(trigger, former), *lines), effects)
        elif lines:
            yield Change("changed", name, lines, effects)
    for name in removed.keys() - former_names.values():
        yield Change("removed", name, tuple(_about(removed[name])))
    for pipeline in dict.fromkeys([*before.limits, *after.limits]):
        one, other = (asdict(limits.get(pipeline, Limits())) for limits in (before.limits, after.limits))
        if lines := tuple(_lines(one, other)):
            yield Change("limits", pipeline, lines)


def _about_name(trigger: Trigger, former: Trigger) -> Iterator[str]:
    yield f"was {former.id}"
    if former.id not in trigger.was:
        yield f"needs was: {name_in(trigger, former.id)}, or {WITHOUT_WAS}"


def _about(trigger: Trigger) -> Iterator[str]:
    yield f"fires on {wording.when(trigger)}"
    yield f"starts {', '.join(start.pipeline for start in trigger.start)}"


def _lines(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Say what differs between two mappings, value by value."""
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name), after.get(name)
        place = f"{path}.{name}" if path else name
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _lines(one, other, place)
        elif one != other:
            yield f"{place}: {_value(one)} → {_value(other)}"


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _effects(former: Trigger, trigger: Trigger, before: Version, after: Version, matches: Matches) -> Iterator[str]:
    """Say which examples of both versions, and which samples of their sources, come to something else."""
    renamed = replace(former, id=trigger.id)  # a publisher's request names its trigger
    events: dict[str, tuple[str, Events]] = {}
    of_both = (_events(trigger, after, trigger.id), _events(renamed, before, former.id, "former "))
    for place, whole in chain(*of_both):
        events.setdefault(json.dumps(whole, sort_keys=True), (place, whole))
    for place, whole in events.values():
        came, comes = came_of(renamed, whole, matches, before.values), came_of(trigger, whole, matches, after.values)
        if words := _difference(came, comes):
            yield f"{place}: {words}"


def _events(trigger: Trigger, of: Version, name: str, former: str = "") -> Iterator[tuple[str, Events]]:
    """Yield the events of the examples of a trigger with this id, and a sample of its source, each with what it is."""
    parts = tuple({"part": name} for name in trigger.all_of) or ({},)
    source = Example(trigger.id, (), parts, "starts")
    for example in (*of.examples.get(name, ()), source):
        place = of.places.get((name, example.path))
        try:
            yield f"{former}example at {place}" if place else f"{former}sample", events_of(trigger, example, of.values)
        except Rejected:
            # Its file is not there: examples of other versions are read without what is beside the documents.
            continue


def _difference(before: Came, after: Came) -> str:
    """Say what events start that they did not start before, "" where that is the same."""
    if before.outcome == after.outcome != "starts":
        return ""
    one, other = (sorted(pipeline for pipeline, _ in came.starts) for came in (before, after))
    if one != other:
        return f"{words_of(before)} → {words_of(after)}"
    pairs = zip(sorted(before.starts, key=str), sorted(after.starts, key=str), strict=True)
    return "; ".join(line for (name, old), (_, new) in pairs for line in _lines(old, new, name))
