"""The ``examples`` of a trigger: an event, as changes to its source's sample or a file, and what becomes of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.sample_event import changed, no_field, sample_event
from pipeline_triggers.documents.section import Section
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.sources import SOURCES, takes_requests
from pipeline_triggers.models import Trigger
from pipeline_triggers.text import brief, did_you_mean

OUTCOMES = ("starts", "ignored", "rejected", "duplicate")

_SCALAR = re.compile(r"true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a trigger.

    ``path`` is where it stands in the trigger. ``events`` are changes to the source's sample, or the names of files
    beside the document. ``outcome`` is one of ``OUTCOMES``; ``starts`` holds for it the pipelines with those of their
    parameters that matter, and ``words`` what the reason has to contain.
    """

    trigger: str
    path: FieldPath
    events: tuple[Any, ...]
    outcome: str
    starts: tuple[tuple[str, Mapping[str, str]], ...] = ()
    words: str = ""
    folder: Path = field(default=Path(), compare=False)


def read_examples(section: Section, trigger: Trigger, raw: Any) -> Iterator[Example]:
    """Read the examples of a trigger, whose section this is; what is wrong with one is a problem of the section."""
    for at, one in enumerate(raw or []):
        place = section.at("examples", at)
        outcomes = [name for name in OUTCOMES if name in one]
        if len(outcomes) != 1:
            several = f"has {' and '.join(outcomes)}; keep one"
            place.problem((), several if outcomes else f"needs one of {', '.join(OUTCOMES)}")
            continue
        (outcome,) = outcomes
        given: dict[FieldPath, Any] = {("event",): one["event"]} if "event" in one else {}
        given |= {("events", number): event for number, event in enumerate(one.get("events", []))}
        events = {path: _data(place.at(*path), event) for path, event in given.items()}
        for path, event in events.items():
            _check_event(place.at(*path), event, trigger)
        starts = tuple(_starts(one["starts"])) if outcome == "starts" else ()
        _check_starts(place, starts, trigger)
        words = "" if outcome == "starts" or one[outcome] == "true" else one[outcome]
        folder = Path(section.document.file).parent
        yield Example(trigger.id, ("examples", at), tuple(events.values()), outcome, starts, words, folder)


def _check_event(section: Section, event: Any, trigger: Trigger) -> None:
    if event == "":
        section.problem((), "is empty; write what differs from the source's sample, or a file's name")
        return
    try:
        view, changes = view_of(trigger, event)
    except Rejected as error:
        section.problem((), str(error))
        return
    for name in changes if isinstance(changes, dict) else ():
        if message := no_field(name, sample_event(view.when), SOURCES[view.when.source].places):
            section.problem((name,), message)


def view_of(trigger: Trigger, event: Any) -> tuple[Trigger, Any]:
    """Return the trigger as the source of an example's event sees it, and the event without its ``part``.

    Raises:
        Rejected: with ``when.all``, the event does not say of which part it is.

    """
    if not trigger.all_of:
        return trigger, event
    if not isinstance(event, dict) or event.get("part") not in trigger.all_of:
        raise Rejected(f"needs part: one of {', '.join(trigger.all_of)}")
    view = next(view for view in trigger.views() if view.part == event["part"])
    return view, {name: value for name, value in event.items() if name != "part"}


def _check_starts(section: Section, starts: Iterable[tuple[str, Mapping[str, str]]], trigger: Trigger) -> None:
    """Check that the trigger starts these pipelines, with parameters of these names."""
    known = {start.pipeline: [*start.parameters, *trigger.accept] for start in trigger.start}
    for pipeline, parameters in starts:
        if pipeline not in known:
            section.problem(("starts",), f"{brief(pipeline)} is not started here; {did_you_mean(pipeline, [*known])}")
            continue
        for name in parameters:
            if name not in known[pipeline]:
                words = did_you_mean(name, known[pipeline]) if known[pipeline] else "it sets none"
                section.problem(("starts",), f"{brief(name)} is not a parameter that the trigger sets; {words}")


def _starts(raw: Any) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield each pipeline with its parameters; a list has one entry for each start, of the same pipeline, too."""
    for one in raw if isinstance(raw, list) else [raw]:
        yield from ((one, {}),) if isinstance(one, str) else ((name, given or {}) for name, given in one.items())


def _data(section: Section, value: Any) -> Any:
    """Return changes with their numbers, booleans and nulls: scalars without quotes that are JSON."""
    match value:
        case dict():
            return {name: _data(section.at(name), item) for name, item in value.items()}
        case list():
            return [_data(section.at(at), item) for at, item in enumerate(value)]
        case str() if section.is_unquoted(()) and _SCALAR.fullmatch(value):
            return json.loads(value)
        case _:
            return value


def event_of(example: Example, given: Any, trigger: Trigger) -> dict[str, Any]:
    """Return the whole event of an example, as EventBridge or SNS delivers it; ``trigger`` as its source sees it.

    Raises:
        Rejected: the file can't be read, or the changes name what such an event does not have.

    """
    if isinstance(given, str):
        return _of_file(example.folder / given)
    event, places = sample_event(trigger.when), SOURCES[trigger.when.source].places
    for name, value in {**_named(trigger), **given}.items():
        event = changed(event, name, value, places)
    return event


def _named(trigger: Trigger) -> dict[str, Any]:
    """Return what a trigger says outright of its events, so that an example need not repeat it."""
    when = trigger.when
    if takes_requests(when):
        first = {"pipeline": trigger.start[0].pipeline} if trigger.one_of else {}
        return {"text": json.dumps({"trigger": trigger.id, **first})}
    firsts = {name: value[0] if isinstance(value, list) else value for name, value in when.fields.items()}
    places = SOURCES[when.source].places
    return {name: value for name, value in firsts.items() if name in places and "*" not in value}


def _of_file(path: Path) -> dict[str, Any]:
    try:
        event = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Rejected(f"{path} can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Rejected(f"{path} is not valid JSON: {error}") from error
    if not isinstance(event, dict):
        raise Rejected(f"{path} is not an event; write what EventBridge or SNS delivers, as in events/")
    return event
