"""A trigger of a document whose shape is right: a Trigger, or what is wrong with what it says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pipeline_triggers.documents import batch_check, direct, value_check
from pipeline_triggers.documents.batch_sample import batch_samples
from pipeline_triggers.documents.collect_check import Events, Sources, by_part, check_batches, read_collect, read_parts
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.documents.section import Section
from pipeline_triggers.documents.start_check import Allowed, check_requests, check_secret, read_starts
from pipeline_triggers.documents.when_check import read_sources
from pipeline_triggers.language import lookups, trigger_values, values
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.models import ALL, MAX_STARTS, Occurrence, Options, Start, Trigger, When
from pipeline_triggers.text import brief

# Says what is wrong with a value as the document writes it, or None.
ValueProblem = Callable[[str], str | None]

_TAG_VALUE = re.compile(r"[\w .:/=+@-]{0,256}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}|(?=.*[^0-9])[A-Za-z0-9._-]{1,128}")


def read_trigger(section: Section, trigger_id: str, allowed: Allowed) -> Trigger | None:
    """Read a trigger, whose section this is; None when it has a problem.

    A field of a wrong shape has its problem already, and is taken for left out, so that the others are read.
    """
    has_shape = section.is_right()
    raw: dict[str, Any] = section.document.without_wrong(section.path)
    if "start" in raw:
        raw.pop("start_one_of", None)  # having both is a problem of the shape
    sources = read_sources(section.at("when"), raw["when"]) if "when" in raw and section.is_right("when") else {}
    events = {part: sample(when) for part, when in sources.items()} or {"": None}
    _check_events(section, raw, events)
    when = sources.get("", When(ALL, {})) if sources else None
    collect = read_collect(section, raw, sources, events)
    parts = {} if "" in sources else read_parts(raw, sources)
    event = events.get("")
    of_value = partial(value_check.check, sample=trigger_values.bound(trigger_id, event) if event else None)
    if collect and when:
        batches = batch_samples(Trigger(trigger_id, when, (), collect=collect, all_of=parts), events)
        check_batches(section, collect, batches)
        of_batches = [one._replace(batch=trigger_values.bound(trigger_id, one.batch)) for one in batches]
        of_value = partial(batch_check.problem, batches=of_batches)
    _check_options(section, raw, of_value)
    starts = read_starts(section, raw, allowed, _parameter_problem(raw, when, of_value))
    check_secret(section, raw, starts)
    if when:
        check_requests(section, raw, when)
        _check_tags(section, raw, sources)
        for path, message in direct.problems(raw, when) if _is_direct(raw) else ():
            section.problem(path, message)
    if not (has_shape and when and section.is_right()):
        return None
    return replace(_trigger(trigger_id, raw, when, starts), collect=collect, all_of=parts)


def _trigger(trigger_id: str, raw: Mapping[str, Any], when: When, starts: tuple[Start, ...]) -> Trigger:
    options = Options(
        display_name=raw.get("display_name"),
        max_parallel_steps=int(raw["max_parallel_steps"]) if "max_parallel_steps" in raw else None,
        steps=tuple(raw.get("steps", ())),
        source_execution=raw.get("source_execution"),
        version=raw.get("version"),
        mlflow_experiment=raw.get("mlflow_experiment"),
    )
    return Trigger(
        id=trigger_id,
        when=when,
        start=starts,
        one_of="start_one_of" in raw,
        accept=raw.get("accept", {}),
        condition=raw.get("if") if when.source != ALL else None,
        dedupe=raw.get("dedupe") if when.source != ALL else None,
        max_starts=int(raw.get("max_starts", MAX_STARTS)),
        options=options,
        dry_run=raw.get("dry_run") == "true",
        direct=_is_direct(raw),
        enabled=raw.get("enabled") != "false",
        description=raw.get("description", ""),
        tags=raw.get("tags", {}),
        when_busy=raw.get("when_busy", "wait"),
        secret=tuple(raw.get("secret", ())),
        breaker=int(raw["breaker"]) if "breaker" in raw else None,
        was=_former_ids(trigger_id, raw.get("was", [])),
    )


def _former_ids(trigger_id: str, was: str | list[str]) -> tuple[str, ...]:
    """Return former names as ids; one without a team is of the trigger's own."""
    team = trigger_id.partition("/")[0]
    return tuple(name if "/" in name else f"{team}/{name}" for name in ([was] if isinstance(was, str) else was))


def _is_direct(raw: Mapping[str, Any]) -> bool:
    return raw.get("delivery") == "direct"


def _parameter_problem(raw: Mapping[str, Any], when: When | None, of_value: ValueProblem) -> ValueProblem:
    """Return what says what is wrong with a parameter's value."""
    if when is None:
        return of_value
    of_delivery = direct.value_problem if _is_direct(raw) else direct.attribute_problem
    return lambda text: of_value(text) or of_delivery(when.source, text)


def _check_events(section: Section, raw: Mapping[str, Any], events: Events) -> None:
    """Check what is computed of each event before anything else."""
    for name, problem in (("if", value_check.check_condition), ("dedupe", _key_problem)):
        for part, (path, text) in by_part(section, raw, (name,), events).items():
            section.check(path, text, partial(problem, sample=events[part]))


def _check_options(section: Section, raw: Mapping[str, Any], of_value: ValueProblem) -> None:
    """Check what a trigger may say besides ``when`` and what it starts."""
    section.check(("version",), raw.get("version"), _version_problem)
    for name in ("display_name", *_LITERALS):
        section.check((name,), raw.get(name), of_value)
    for name, literal_problem in _LITERALS.items():
        section.check((name,), raw.get(name), partial(_literal_problem, literal_problem))
    for at, step in enumerate(raw.get("steps", [])):
        section.by_stage(("steps", at), step)
    if "source_execution" in raw and "steps" not in raw and section.is_right("steps"):
        section.problem(("source_execution",), "needs steps; write the steps to run, or leave it out")


# What a literal of an option has to be besides a value.
_LITERALS: Mapping[str, Callable[[str], str | None]] = {
    "source_execution": values.no_execution,
    "mlflow_experiment": values.no_experiment,
}


def _literal_problem(problem: Callable[[str], str | None], text: str) -> str | None:
    """Leave what is computed to the event."""
    return None if values.literal(text) is None else problem(text)


def _version_problem(text: str) -> str | None:
    if _VERSION.fullmatch(text):
        return None
    return "is not a version; write a number, or an alias of letters, digits and . _ -"


def _key_problem(text: str, sample: Occurrence | None) -> str | None:
    if message := value_check.check_key(text, sample):
        return message
    if fields := sorted(lookups.named_by([text])):
        names = ", ".join(f"${'.'.join(field)}" for field in fields)
        return f"names {names}, for which AWS may give another value the next time; use a field of the event itself"
    return None


def _check_tags(section: Section, raw: Mapping[str, Any], sources: Sources) -> None:
    if raw.get("tags") and not any(SOURCES[when.source].pattern for when in sources.values()):
        names = " and ".join(when.source for when in sources.values())
        section.problem(("tags",), f"are for a rule, which a trigger on {names} does not have; leave them out")
    for key, value in raw.get("tags", {}).items():
        for resolved in section.by_stage(("tags", key), value):
            if not _TAG_VALUE.fullmatch(resolved):
                remedy = "use letters, digits, spaces and . : / = + - @ _, 256 at most"
                section.problem(("tags", key), f"{brief(resolved)} is not the value of a tag; {remedy}")
