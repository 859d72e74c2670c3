"""What a pipeline's own definition says of its parameters, and whether values fit it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.text import brief

TTL = 300  # seconds that a definition is believed; a value that does not fit it asks again

# StartPipelineExecution takes every value as text and refuses what is not of the declared type.
_TYPES = {
    "Integer": (re.compile(r"[+-]?[0-9]+"), "write a whole number"),
    "Float": (re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"), "write a number"),
    "Boolean": (re.compile(r"(?i:true|false)"), "write true or false"),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter; ``enum`` is empty when every value of the type is allowed."""

    type: str
    required: bool
    enum: tuple[str, ...]


Definition = Mapping[str, Parameter]

_cache: dict[str, tuple[float, Definition]] = {}


def parse(text: str) -> Definition:
    """Read the parameters that a pipeline's definition, a JSON text, declares.

    Read leniently: the SDK writes EnumValues, which the published schema does not know.
    """
    return {
        declared["Name"]: Parameter(
            type=declared.get("Type", "String"),
            required=declared.get("DefaultValue") is None,
            enum=tuple(map(str, declared.get("EnumValues") or ())),
        )
        for declared in json.loads(text).get("Parameters", [])
    }


def misfits(definition: Definition, values: Mapping[str, str | None]) -> list[tuple[str, str]]:
    """Return (a parameter's name, what is wrong with it, and how to mend it); None is a value not known yet."""
    problems = []
    for name, value in values.items():
        if name not in definition:
            declared = ", ".join(definition) or "no parameters"
            problems.append((name, f"is not declared by the pipeline; it declares {declared}"))
        elif value is not None:
            parameter = definition[name]
            pattern, remedy = _TYPES.get(parameter.type, (None, ""))
            if pattern and not pattern.fullmatch(value):
                problems.append((name, f"is {brief(value)}, which is no {parameter.type}; {remedy}"))
            elif parameter.enum and value not in parameter.enum:
                problems.append((name, f"is {brief(value)}; the pipeline allows {', '.join(parameter.enum)}"))
    problems += [
        (name, "is missing, and the pipeline has no default for it; give it a value")
        for name, parameter in definition.items()
        if parameter.required and name not in values
    ]
    return problems


def fit(pipeline: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return the values as the pipeline's definition types them: booleans spelt ``True`` and ``False``.

    What does not fit a remembered definition is looked at once more with the definition as it is now.

    Raises:
        Rejected: a value does not fit, or there is no such pipeline.
        botocore.exceptions.ClientError, BotoCoreError: the definition can't be had now.

    """
    read_at, definition = _cache.get(pipeline, (float("-inf"), {}))
    now = time.monotonic()
    if now - read_at >= TTL or misfits(definition, values):
        definition = describe(pipeline)
        _cache[pipeline] = (now, definition)
    if problems := misfits(definition, values):
        raise Rejected("; ".join(f"parameter {name} {problem}" for name, problem in problems))
    return {name: value.capitalize() if definition[name].type == "Boolean" else value for name, value in values.items()}


def refit(pipeline: str, values: Mapping[str, str]) -> dict[str, str]:
    """Return what ``fit`` does, with the definition as it is now, whatever is remembered."""
    _cache.pop(pipeline, None)
    return fit(pipeline, values)


def describe(pipeline: str) -> Definition:
    """Ask SageMaker for a pipeline's definition.

    Raises:
        Rejected: there is no such pipeline.
        botocore.exceptions.ClientError, BotoCoreError: it can't be had now.

    """
    try:
        answer: Mapping[str, Any] = aws.sagemaker().describe_pipeline(PipelineName=pipeline)
    except ClientError as error:
        details = error.response["Error"]
        if details["Code"] == "ResourceNotFound":
            region = aws.sagemaker().meta.region_name
            raise Rejected(f"pipeline {pipeline} does not exist in {region}; create it, or mend the trigger") from error
        raise
    return parse(answer["PipelineDefinition"])
