"""Events made up for ``make run`` from what a trigger says: its pattern, a sample, the fields that it uses. Pure."""

from __future__ import annotations

import copy
import ipaddress
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pipeline_triggers.account.home import Home
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.errors import PipelineTriggersError
from pipeline_triggers.events import eventbridge
from pipeline_triggers.language import batch_values, lookups, sources
from pipeline_triggers.language.jsonata import compile_expression
from pipeline_triggers.language.jsonata.tree import walk
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.language.values import expression, holds
from pipeline_triggers.models import Occurrence, Trigger
from pipeline_triggers.starts.plan import plan

from tests import PROJECT
from tests.localaws import ACCOUNT, REGION

HOME = Home("aws", ACCOUNT, REGION)

# What completes a name of which a pattern says the beginning or the end.
STAND_IN = "10"

# What a field may hold of which nothing is said: the first one with which the trigger's expressions have values.
CANDIDATES: tuple[Any, ...] = ("2026-10", 10, True, ["2026-10"])

_PATH = re.compile(r"\$((?:\.[A-Za-z0-9_-]+)+)")


class NothingFits(Exception):
    """No event could be made up; the message says why."""


def event_for(trigger: Trigger) -> dict[str, Any]:
    """Return an event that the trigger's pattern matches, and that its expressions have values for.

    Raises:
        NothingFits: none was found.

    """
    pattern = sources.pattern(trigger.when, lambda text: resolve(text, HOME.pseudo_parameters())) or {}
    event = _fitted(_base(trigger, pattern), pattern)
    reason = ""
    for candidate in CANDIDATES:
        filled = _with_fields(event, used_fields(trigger), candidate)
        try:
            occurrence = _occurrence(trigger, filled)
            _compute(trigger, occurrence)
            if not trigger.condition or holds(trigger.condition, occurrence):
                return filled
            reason = reason or "its condition is not met"
        except PipelineTriggersError as error:
            reason = reason or str(error)
    raise NothingFits(reason)


def _compute(trigger: Trigger, occurrence: Occurrence) -> None:
    """Compute what the handler computes of an event: the starts, or what its batch is told apart by."""
    if trigger.collect:
        batch_values.by(trigger, occurrence)
        batch_values.part(trigger, occurrence)
        return
    for position in range(len(trigger.start)):
        plan(trigger, position, occurrence, "make-run")


def used_fields(trigger: Trigger) -> set[tuple[str, ...]]:
    """Return the ways to the fields of an event that a trigger's paths and expressions name."""
    return {way for way in _ways(_values(trigger)) if way[0] == "detail"}


def used_keys(trigger: Trigger, field: str) -> set[str]:
    """Return the keys that expressions name of a mapping of ``$object``: ``tags`` or ``metadata``."""
    return {way[2] for way in _ways(_values(trigger)) if way[:2] == ("$object", field) and len(way) > 2}


def _values(trigger: Trigger) -> Iterator[str]:
    options = trigger.options
    optional = (trigger.condition, trigger.dedupe, options.display_name, options.source_execution)
    yield from (value for value in (*optional, options.mlflow_experiment) if value is not None)
    if trigger.collect:  # parameters are computed of the batch
        yield from filter(None, (trigger.collect.by, trigger.collect.part))
    else:
        yield from (value for one in trigger.start for value in one.parameters.values())


def _ways(values: Iterable[str]) -> Iterator[tuple[str, ...]]:
    for value in values:
        if path := _PATH.fullmatch(value):
            yield tuple(path[1].split(".")[1:])
        elif text := expression(value):
            for node in walk(compile_expression(text).tree):
                if node.type == "path":
                    yield tuple(_names(node.steps))


def _names(steps: Iterable[Any]) -> Iterator[str]:
    """Give the names of a path's steps, as far as they are names."""
    for number, step in enumerate(steps):
        if step.type == "name":
            yield str(step.value)
        elif step.type == "variable" and not number:
            yield f"${step.value}"
        else:
            return


def _base(trigger: Trigger, pattern: Mapping[str, Any]) -> dict[str, Any]:
    """Return the source's sample, that of the pattern's detail-type, or an event without details."""
    if occurrence := sample(trigger.when):
        return dict(copy.deepcopy(occurrence.event))
    for path in (PROJECT / "events").glob("*.json"):
        event: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if event.get("detail-type") in pattern.get("detail-type", []):
            return event
    about = {"source": "example", "detail-type": "Example", "time": "2026-11-01T04:12:09Z", "resources": []}
    return {"id": str(uuid.uuid4()), "account": HOME.account, "region": HOME.region, **about, "detail": {}}


def _fitted(event: dict[str, Any], pattern: Mapping[str, Any]) -> dict[str, Any]:
    """Change an event so that the pattern matches it, and a changed name wherever the event repeats it."""
    renamed: dict[str, str] = {}
    _fit(event, pattern, renamed)
    text = json.dumps(event)
    for former, name in renamed.items():
        text = text.replace(json.dumps(former)[1:-1], json.dumps(name)[1:-1])
    fitted: dict[str, Any] = json.loads(text)
    return fitted


def _fit(event: dict[str, Any], pattern: Mapping[str, Any], renamed: dict[str, str]) -> None:
    for name, matchers in pattern.items():
        if name == "$or":
            _fit(event, matchers[0], renamed)
        elif isinstance(matchers, Mapping):
            inner = event.get(name)
            if isinstance(inner, list) and inner and isinstance(inner[0], dict):
                inner = inner[0]  # a pattern looks into the items of a list
            if not isinstance(inner, dict):
                inner = event[name] = {}
            _fit(inner, matchers, renamed)
        elif {"exists": False} in matchers:
            event.pop(name, None)
        elif name not in event or not _is_matched(event[name], matchers):
            former, event[name] = event.get(name), _value(matchers)
            if name.lower().endswith(("name", "arn")) and isinstance(former, str) and isinstance(event[name], str):
                renamed[former] = event[name]


def _is_matched(value: Any, matchers: Iterable[Any]) -> bool:
    """Whether a literal of a pattern, or that there is a value at all, matches a sample's value."""
    values = value if isinstance(value, list) else [value]
    return any((matcher == {"exists": True} and value is not None) or matcher in values for matcher in matchers)


def _value(matchers: Iterable[Any]) -> Any:
    """Return a value that one of the matchers matches, a literal first."""
    matchers = sorted(matchers, key=lambda matcher: isinstance(matcher, dict))
    first = matchers[0]
    if not isinstance(first, dict):
        return first
    ((operator, operand),) = first.items()
    if operator not in _VALUES:
        raise NothingFits(f"its pattern has the operator {operator}")
    return _VALUES[operator](operand)


def _text(operand: Any) -> str:
    """Return the text of prefix, suffix and the like, which may have an operator of its own."""
    return str(operand["equals-ignore-case"]) if isinstance(operand, Mapping) else str(operand)


def _number(operand: list[Any]) -> float:
    """Return a number within the bounds, a whole one if there is one."""
    bounds: dict[str, float] = dict(zip(operand[::2], operand[1::2], strict=True))
    if "=" in bounds:
        return bounds["="]
    upper = [bounds[sign] for sign in ("<", "<=") if sign in bounds]
    lower = [bounds[sign] for sign in (">", ">=") if sign in bounds]
    low = lower[0] if lower else upper[0] - 2
    high = upper[0] if upper else low + 2
    middle = (low + high) / 2
    return int(middle) if low < int(middle) < high else middle


def _anything_but(operand: Any) -> Any:
    """Return a value that is none of these, and neither begins nor ends like one."""
    excluded = json.dumps(operand)
    return next(candidate for candidate in ("made-up", "example", "zzz") if candidate not in excluded)


_VALUES: Mapping[str, Callable[[Any], Any]] = {
    "prefix": lambda operand: _text(operand) + STAND_IN,
    "suffix": lambda operand: STAND_IN + _text(operand),
    "equals-ignore-case": str,
    "wildcard": lambda operand: operand.replace("*", STAND_IN),
    "numeric": _number,
    "anything-but": _anything_but,
    "exists": lambda _: CANDIDATES[0],
    "cidr": lambda operand: str(ipaddress.ip_network(operand, strict=False)[0]),
}


def _with_fields(event: Mapping[str, Any], ways: Iterable[tuple[str, ...]], value: Any) -> dict[str, Any]:
    """Return the event with a value where a field is missing."""
    filled = copy.deepcopy(dict(event))
    for way in sorted(ways):
        inner: Any = filled
        for name in way[:-1]:
            if not isinstance(inner.setdefault(name, {}), dict):
                break  # a list, or a text, which the expression takes as it is
            inner = inner[name]
        else:
            inner.setdefault(way[-1], value)
    return filled


def _occurrence(trigger: Trigger, event: Mapping[str, Any]) -> Occurrence:
    """Read an event as its handler does, with samples of what that would look up."""
    occurrence = eventbridge.read(event, trigger.when.source)
    bindings = {**(sample(trigger.when) or occurrence).bindings, **occurrence.bindings}
    bindings = {name: lookups.samples(name, trigger.when.source) | bound for name, bound in bindings.items()}
    return replace(occurrence, bindings=bindings)
