"""What a trigger starts: the pipelines, their parameters, and what publishers may choose of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.section import Section, places
from pipeline_triggers.language import globs, values
from pipeline_triggers.language.sources import takes_requests
from pipeline_triggers.models import Start, When
from pipeline_triggers.text import brief, did_you_mean

# The names and globs that a document allows, stage by stage.
Allowed = Sequence[Sequence[str]]

_PIPELINE = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,255}")
_PIPELINES = re.compile(r"[A-Za-z0-9*-]+")

_OF_ONE_PIPELINE = frozenset({"steps", "source_execution", "version"})


class _Place(NamedTuple):
    """Where a trigger names a pipeline, and where its parameters are."""

    start: Start
    name: FieldPath
    parameters: FieldPath


def read_allowed(section: Section) -> Allowed:
    """Read the ``pipelines`` of a document, whose section this is; where they are wrong, none are known."""
    written = section.document.data.get("pipelines")
    if not isinstance(written, list) or not section.is_right("pipelines"):
        return []
    by_stage = []
    for path, text in places(("pipelines",), written):
        by_stage.append(section.by_stage(path, text))
        for resolved in by_stage[-1]:
            if not _PIPELINES.fullmatch(resolved):
                message = f"{brief(resolved)} is not the name of a pipeline; use letters, digits, dashes and *"
                section.problem(path, message)
    return list(zip(*by_stage, strict=False)) if section.is_right("pipelines") else []


def read_starts(
    section: Section, raw: Mapping[str, Any], allowed: Allowed, parameter_problem: Callable[[str], str | None]
) -> tuple[Start, ...]:
    """Read what a trigger starts; its section, and its fields without those of a wrong shape."""
    if "start" not in raw and "start_one_of" not in raw:
        for name, value in raw.get("parameters", {}).items():
            section.check(("parameters", name), value, parameter_problem)
        return ()
    starts = _places(section, raw)
    names = []
    for start, name_path, parameters_path in starts:
        names.append(section.by_stage(name_path, start.pipeline))
        check_names(section, name_path, names[-1], allowed)
        for name, value in start.parameters.items():
            section.check((*parameters_path, name), value, parameter_problem)
    for of_stage in zip(*names, strict=False):
        if twice := [name for name in of_stage if of_stage.count(name) > 1]:
            section.problem(starts[0].name[:1], f"names {twice[0]} twice; name each pipeline once")
    if len(starts) > 1:
        for name in _OF_ONE_PIPELINE & raw.keys():
            section.problem((name,), "is for one pipeline; write a trigger for each pipeline, or leave it out")
    return tuple(place.start for place in starts)


def _places(section: Section, raw: Mapping[str, Any]) -> list[_Place]:
    field = "start_one_of" if "start_one_of" in raw else "start"
    if isinstance(raw[field], str | list):
        parameters = raw.get("parameters", {})
        return [_Place(Start(name, parameters), path, ("parameters",)) for path, name in places((field,), raw[field])]
    for other, remedy in (
        ("parameters", "write the parameters of each under its name"),
        ("accept", "write one name, or start_one_of"),
    ):
        if other in raw:
            section.problem((other,), f"is for one pipeline; {remedy}")
    return [_Place(Start(name, values), (field, name), (field, name)) for name, values in raw[field].items()]


def check_names(section: Section, path: FieldPath, names: Sequence[str], allowed: Allowed) -> None:
    """Check a pipeline's name as each stage sees it."""
    for name, of_stage in zip_longest(names, allowed[: len(names)]):
        if not _PIPELINE.fullmatch(name):
            message = f"{brief(name)} is not the name of a pipeline; use letters, digits and inner dashes, 256 at most"
            section.problem(path, message)
        elif of_stage and not any(globs.matches_name(glob, name) for glob in of_stage):
            listed = ", ".join(sorted(set(of_stage)))
            section.problem(path, f"this file may not start {name}; add it to pipelines ({listed})")


def check_secret(section: Section, raw: Mapping[str, Any], starts: Sequence[Start]) -> None:
    """Check that what is secret is a parameter of a pipeline that the trigger starts."""
    known = {name for start in starts for name in start.parameters} | raw.get("accept", {}).keys()
    for at, name in enumerate(raw.get("secret", [])):
        if name not in known:
            remedy = did_you_mean(name, sorted(known)) if known else "the trigger gives no parameters"
            section.problem(("secret", at), f"{brief(name)} is not a parameter of this trigger; {remedy}")


def check_requests(section: Section, raw: Mapping[str, Any], when: When) -> None:
    """Check what publishers may choose."""
    if not takes_requests(when):
        for name in {"start_one_of", "accept"} & raw.keys():
            section.problem((name,), "is for publishers' requests; write when: {sns: {}}, or leave it out")
    for name, accepted in raw.get("accept", {}).items():
        for path, value in places(("accept", name), accepted):
            for resolved in section.by_stage(path, value):
                if len(resolved) > values.MAX_VALUE_LENGTH:
                    section.problem(path, f"has {len(resolved)} characters; SageMaker takes {values.MAX_VALUE_LENGTH}")
                elif isinstance(accepted, str) and (message := globs.check(resolved)):
                    section.problem(path, message)
