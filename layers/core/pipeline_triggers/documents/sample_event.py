"""A source's sample, with some of its fields changed: how examples and ``triggers sample`` write events."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.language.sources.source import Field
from pipeline_triggers.models import When
from pipeline_triggers.text import brief, did_you_mean, spelling

# Of a source whose events nobody can know.
BLANK: Mapping[str, Any] = {
    "version": "0",
    "id": "example",
    "detail-type": "",
    "source": "",
    "account": "123456789012",
    "time": "2026-11-01T04:12:09Z",
    "region": "eu-central-1",
    "resources": [],
    "detail": {},
}


def sample_event(when: When) -> dict[str, Any]:
    """Return a whole event as the source sends them, or a blank one where nobody can know them."""
    source = SOURCES[when.source]
    if (name := source.sample_name(when.fields)) is None:
        return copy.deepcopy(dict(BLANK))
    text = resources.files("pipeline_triggers.documents").joinpath(f"samples/{name}.json").read_text(encoding="utf-8")
    event: dict[str, Any] = json.loads(text)
    return event if when.source == "sns" else dict(source.fit(event, when.fields))


def sample_with(source: str, given: Mapping[str, str]) -> dict[str, Any]:
    """Return a source's sample with texts for some of its fields; one that is no text in the sample is read as JSON.

    Raises:
        Rejected: the source has no such field, or its text is not JSON.

    """
    fields, places = SOURCES[source].fields, SOURCES[source].places
    of_when = {name: _in_a_when(fields[name], text) for name, text in given.items() if name in fields}
    event = sample_event(When(source, of_when))
    for name, text in given.items():
        # What chose the sample, or fitted a glob, is in it.
        if name in places or name not in fields:
            word = of_when[name][0] if name in of_when and fields[name].choices else text
            value = _as_before(name, word, _value_at(event, places.get(name, name)))
            event = event if "*" in text and name in fields else changed(event, name, value, places)
    return event


def _in_a_when(field: Field, text: str) -> Any:
    """Return a text as a trigger's ``when`` holds it: words as a list, in their own spelling."""
    return [{spelling(word): word for word in field.choices}.get(spelling(text), text)] if field.choices else text


def _as_before(name: str, text: str, before: Any) -> Any:
    if before is None or isinstance(before, str):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise Rejected(f"{name} is not a text in such an event; {brief(text)} is not valid JSON") from error


def _value_at(event: Any, way: str) -> Any:
    """Return the value at a way into an event, None where there is none."""
    for step in way.split("."):
        event = json.loads(event) if isinstance(event, str) else event
        event = event.get(step) if isinstance(event, dict) else None
    return event


def changed(event: Mapping[str, Any], name: str, value: Any, places: Mapping[str, str]) -> dict[str, Any]:
    """Change a field of an event, and a name wherever the event's ARNs repeat it.

    ``name`` is one of ``places``, a field of the event, or a way from its root with dots in it. Of an ARN only the last
    part changes.

    Raises:
        Rejected: ``name`` is not one of these.

    """
    if message := no_field(name, event, places):
        raise Rejected(f"{name} {message}")
    way = places.get(name, name).split(".")
    fresh = copy.deepcopy(dict(event))
    inner: Any = fresh
    if way[0] == "Message" and len(way) > 1:
        message = json.loads(fresh["Message"])
        message[way[1]] = value
        return {**fresh, "Message": json.dumps(message)}
    for step in way[:-1]:
        inner = inner.setdefault(step, {}) if isinstance(inner, dict) else {}
    former = inner.get(way[-1])
    inner[way[-1]] = value
    if isinstance(former, str) and isinstance(value, str):
        if former.startswith("arn:") and not value.startswith("arn:"):
            inner[way[-1]] = f"{former.rpartition('/')[0]}/{value}"
            former = former.rpartition("/")[2]
        return dict(_renamed(fresh, former, value))
    return fresh


def no_field(name: str, event: Mapping[str, Any], places: Mapping[str, str]) -> str | None:
    """Say that an event of a source with these ``places`` does not have a field, or None."""
    if name in places or name in event or "." in name:
        return None
    return f"is not a field of such an event; {did_you_mean(name, [*places, 'detail.…'])}"


def _renamed(value: Any, former: str, name: str) -> Any:
    """Replace a name where an ARN has it as one of its parts."""
    match value:
        case dict():
            return {key: _renamed(item, former, name) for key, item in value.items()}
        case list():
            return [_renamed(item, former, name) for item in value]
        case str() if former and value.startswith("arn:"):
            return re.sub(rf"(?<=[/:]){re.escape(former)}(?=/|$)", name.replace("\\", r"\\"), value)
        case _:
            return value
