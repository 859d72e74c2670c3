"""``delivery: direct``: EventBridge or Scheduler starts the pipelines itself, with what their targets can carry.

Whatever has to be computed, or depends on earlier events, needs a handler, and is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from pipeline_triggers.language import globs
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.language.values import expression, literal
from pipeline_triggers.models import ALL, Trigger, When
from pipeline_triggers.text import did_you_mean

# EventBridge: SageMakerPipelineParameter.Name, which SageMaker's own is not.
_RULE_PARAMETER = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9])*")

# All that Scheduler fills in.
_ATTRIBUTE = re.compile(r"<aws\.scheduler\.([^>]*)>")
_FILLED_IN = ("schedule-arn", "scheduled-time", "execution-id", "attempt-number")

# Two of them, by the expression that means the same.
_ATTRIBUTES = {
    "$scheduled.time": "<aws.scheduler.scheduled-time>",
    "$scheduled.arn": "<aws.scheduler.schedule-arn>",
}

_NEEDS_A_HANDLER = (
    *("if", "start_one_of", "accept", "dedupe", "max_starts", "dry_run", "display_name", "max_parallel_steps"),
    *("steps", "source_execution", "version", "mlflow_experiment", "collect", "when_busy", "secret", "breaker"),
)

_NO_TARGET = {
    "sns": "a topic can't start a pipeline",
    ALL: "it waits for several events",
    "drift": "the event does not say what the monitor found",
}

_REMEDY = "remove delivery: direct"


def problems(raw: Mapping[str, Any], when: When) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (a path in the trigger, what is wrong there with direct delivery), except for the values."""
    if why := _NO_TARGET.get(when.source):
        yield ("delivery",), f"can't be direct for {when.source}: {why}; remove it"
    for name in _NEEDS_A_HANDLER:
        if name in raw:
            yield (name,), f"needs a handler, which direct delivery bypasses; remove it, or {_REMEDY}"
    if when.source == "schedule" and isinstance(raw.get("start"), dict) and len(raw["start"]) > 1:
        yield ("start",), f"names several pipelines, but a schedule starts one; write a trigger for each, or {_REMEDY}"
    yield from _glob_problems(when)
    if when.source != "schedule":
        for path in _parameters(raw):
            if not _RULE_PARAMETER.fullmatch(str(path[-1])):
                rule = "EventBridge only accepts names of letters, digits and inner dashes"
                yield path, f"can't be sent directly: {rule}; rename it, or {_REMEDY}"


def _glob_problems(when: When) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield each glob that a rule can't match without a handler."""
    for name, field in SOURCES[when.source].fields.items() if when.source != ALL else ():
        star = "**" if field.glob is globs.matches else "*"
        if field.glob and "*" in when.fields.get(name, "").removesuffix(star):
            rule = f"a rule matches a whole name, or one with {star} at its end"
            yield ("when", when.source, name), f"can't be matched directly: {rule}; write such a name, or {_REMEDY}"


def _parameters(raw: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(start := raw.get("start"), dict):
        yield from (("start", pipeline, name) for pipeline, values in start.items() for name in values)
    yield from (("parameters", name) for name in raw.get("parameters", {}))


def value_problem(source: str, value: str) -> str | None:
    """Say why a value can't be sent directly, or None; ``source`` is the trigger's."""
    computed = literal(value) is None
    if source == "schedule":
        if computed and sent(value) == value:
            known = " and ".join(f"{{% {name} %}}" for name in _ATTRIBUTES)
            return f"is computed, but Scheduler only knows {known}; write one of them, or {_REMEDY}"
        if unknown := [name for name in _ATTRIBUTE.findall(value) if name not in _FILLED_IN]:
            remedy = did_you_mean(unknown[0], _FILLED_IN)
            return f"has <aws.scheduler.{unknown[0]}>, which Scheduler does not fill in; {remedy}"
    elif expression(value) is not None:
        return f"is computed, but EventBridge only copies values from the event; write $.a.b, or {_REMEDY}"
    elif computed and "*" in value:
        return f"may give several values; name one, as in [0], or {_REMEDY}"
    elif value.startswith("$") and not computed:
        return f"looks like a path to EventBridge; write another text, or {_REMEDY}"
    return None


def attribute_problem(source: str, value: str) -> str | None:
    """Say that a value asks Scheduler to fill something in, which it does with direct delivery only, or None."""
    if source == "schedule" and "<aws.scheduler." in value:
        return f"is only filled in with delivery: direct; write {{% {next(iter(_ATTRIBUTES))} %}}"
    return None


def sent(value: str) -> str:
    """Return a value as the target sends it."""
    return _ATTRIBUTES.get((expression(value) or "").strip(), value)


def limited(triggers: Iterable[Trigger], pipelines: Collection[str]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield (a trigger, a path in it, what is wrong) where direct delivery would pass by a limit of its pipeline."""
    for trigger in triggers:
        for pipeline in sorted({start.pipeline for start in trigger.start} & set(pipelines)) if trigger.direct else ():
            yield trigger.id, ("delivery",), f"can't be direct: {pipeline} has limits, which need a handler; remove it"


def notes(triggers: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    """Yield (a trigger, what its direct delivery gives up)."""
    for trigger in triggers:
        if trigger.direct:
            given_up = "no verdict, no check of its values, and an event that AWS delivers twice starts twice"
            yield trigger.id, f"is delivered directly: {given_up}"
