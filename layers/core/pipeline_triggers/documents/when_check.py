"""The ``when`` of a trigger: what fires it, or what is wrong with it.

A source whose fields are checked one by one (``Field.problem`` in its file) needs nothing here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pipeline_triggers.documents import pattern_check, schedules
from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.section import Section, places
from pipeline_triggers.language.sources import SOURCES, takes_requests
from pipeline_triggers.language.sources.source import Field
from pipeline_triggers.language.stages import references
from pipeline_triggers.models import ALL, When
from pipeline_triggers.text import brief, did_you_mean, spelling

_JSON_SCALAR = re.compile(r"true|false|null|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def read_sources(section: Section, raw: Mapping[str, Any]) -> dict[str, When]:
    """Read the ``when`` of a trigger, whose section this is: its sources by the names of their parts, "" for one."""
    if ALL not in raw:
        return {"": _read_when(section, raw)}
    sources = {}
    for name, one in raw[ALL].items():
        place = section.at(ALL, name)
        if ALL in one:
            place.problem((), "can't hold all itself; write its sources beside this one")
        else:
            sources[name] = _read_when(place, one)
            if takes_requests(sources[name]):
                place.problem((), "can't be the stack's own topic, whose requests are not collected; name a topic")
    return sources


def _read_when(section: Section, raw: Mapping[str, Any]) -> When:
    ((source, values),) = raw.items()
    place = section.at(source)
    fields = {name: _field(place, name, SOURCES[source].fields[name], value) for name, value in values.items()}
    if check := _CHECKS.get(source):
        check(place, fields)
    return When(source, fields)


def _field(section: Section, name: str, field: Field, value: Any) -> Any:
    if field.choices:
        return [_word(section, path, word, name, field.choices) for path, word in places((name,), value)]
    if isinstance(value, dict):  # a pattern, or a filter policy
        return _json(section, (name,), value)
    for resolved in section.by_stage((name,), value):
        if field.glob and resolved.count("*") != value.count("*"):
            section.problem((name,), "refers to a stage's value that holds *; write the * here")
        elif field.problem and (message := field.problem(resolved)):
            section.problem((name,), message)
    return value


def _word(section: Section, path: FieldPath, word: str, name: str, choices: tuple[str, ...]) -> str:
    """Return a word in its own spelling, however the document spells it."""
    known = {spelling(choice): choice for choice in choices}
    if spelling(word) not in known:
        section.problem(path, f"{brief(word)} is not a known {name}; {did_you_mean(word, choices)}")
    return known.get(spelling(word), word)


def _json(section: Section, path: FieldPath, value: Any) -> Any:
    """Read an event pattern, in which a scalar without quotes may be a number, a boolean or null."""
    match value:
        case dict():
            return {name: _json(section, (*path, name), item) for name, item in value.items()}
        case list():
            return [_json(section, (*path, at), item) for at, item in enumerate(value)]
        case _ if section.is_unquoted(path) and _JSON_SCALAR.fullmatch(value):
            return json.loads(value)
        case _:
            section.by_stage(path, value)
            return value


def _check_event(section: Section, fields: Mapping[str, Any]) -> None:
    for path, message in pattern_check.problems(fields["pattern"]):
        section.problem(("pattern", *path), message)


def _check_sns(section: Section, fields: Mapping[str, Any]) -> None:
    filters = [name for name in ("attributes", "body") if name in fields]
    if len(filters) > 1:
        section.problem((), "has a filter of attributes and one of body; SNS accepts one, so write the other as an if")
    for name in filters:
        if "topic" not in fields:
            section.problem((name,), "filters the messages of a topic; write the topic, or leave it out")
        for path, message in pattern_check.filter_problems(fields[name]):
            section.problem((name, *path), message)


def _check_schedule(section: Section, fields: Mapping[str, str]) -> None:
    for name in ("at", "start", "end", *(["timezone"] if "at" in fields else [])):
        if references(fields.get(name, "")):
            # One stack serves all stages, and a schedule that has ended is left out of it.
            section.problem((name,), "differs per stage, so it can't be left out once it has passed; write it out")
            return
    for of_stage in section.fields_by_stage(fields):
        for name, message in schedules.problems(of_stage):
            section.problem((name,) if name else (), message)


# What takes several fields together, or more than a handler should carry.
_CHECKS: Mapping[str, Callable[[Section, Mapping[str, Any]], None]] = {
    "event": _check_event,
    "schedule": _check_schedule,
    "sns": _check_sns,
}
