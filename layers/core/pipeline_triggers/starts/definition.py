"""A pipeline's parameters as its own definition declares them, or that of a version, and values held against it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.text import brief

TTL = 300  # seconds for which a definition is remembered; for a value that does not fit, it is read again

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

_cache: dict[tuple[str, str | None], tuple[float, Definition]] = {}  # by pipeline and version


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


def problems(definition: Definition, values: Mapping[str, str | None]) -> Iterator[tuple[str, str]]:
    """Yield the name of each parameter that does not fit, with what is wrong with it and how to fix it.

    A value that is not known yet is None.
    """
    for name, value in values.items():
        if name not in definition:
            yield name, f"is not declared by the pipeline; it declares {', '.join(definition) or 'no parameters'}"
        elif value is not None and (problem := _problem(definition[name], value)):
            yield name, problem
    for name, parameter in definition.items():
        if parameter.required and name not in values:
            yield name, "is missing, and the pipeline has no default for it; give it a value"


def _problem(parameter: Parameter, value: str) -> str | None:
    pattern, remedy = _TYPES.get(parameter.type, (None, ""))
    if pattern and not pattern.fullmatch(value):
        return f"is {brief(value)}, not a valid {parameter.type}; {remedy}"
    if parameter.enum and value not in parameter.enum:
        return f"is {brief(value)}; the pipeline allows {', '.join(parameter.enum)}"
    return None


def pinned(version: str | None) -> dict[str, Any]:
    """Return SageMaker's argument for a pipeline's version, a number or an alias; none for the latest."""
    if version is None:
        return {}
    return {"PipelineVersionId": int(version)} if version.isdecimal() else {"PipelineVersionAlias": version}


def fit(pipeline: str, values: Mapping[str, str], version: str | None = None) -> dict[str, str]:
    """Return the values as the pipeline's definition types them: booleans spelt ``True`` and ``False``.

    ``version`` is the one that will start, None for the latest. Values that do not fit a remembered definition are
    checked once more against the definition as it is now.

    Raises:
        Rejected: a value does not fit, or the pipeline does not exist.
        botocore.exceptions.ClientError, BotoCoreError: SageMaker can't be asked now.

    """
    read_at, definition = _cache.get((pipeline, version), (float("-inf"), {}))
    now = time.monotonic()
    if now - read_at >= TTL or any(problems(definition, values)):
        definition = describe(pipeline, version)
        _cache[pipeline, version] = (now, definition)
    if reasons := [f"parameter {name} {problem}" for name, problem in problems(definition, values)]:
        raise Rejected("; ".join(reasons))
    return {name: value.capitalize() if definition[name].type == "Boolean" else value for name, value in values.items()}


def refit(pipeline: str, values: Mapping[str, str], version: str | None = None) -> dict[str, str]:
    """Do the same as ``fit``, with the definition as it is now, whatever is remembered."""
    _cache.pop((pipeline, version), None)
    return fit(pipeline, values, version)


def describe(pipeline: str, version: str | None = None) -> Definition:
    """Ask SageMaker for the definition of a pipeline, or of one of its versions.

    Raises:
        Rejected: the pipeline, or the version, does not exist.
        botocore.exceptions.ClientError, BotoCoreError: SageMaker can't be asked now.

    """
    try:
        response: Mapping[str, Any] = aws.sagemaker().describe_pipeline(PipelineName=pipeline, **pinned(version))
    except ClientError as error:
        details = error.response["Error"]
        if details["Code"] == "ResourceNotFound":
            region = aws.sagemaker().meta.region_name
            named = f"pipeline {pipeline}" if version is None else f"version {version} of pipeline {pipeline}"
            raise Rejected(f"{named} does not exist in {region}; create it, or fix the trigger") from error
        raise
    return parse(response["PipelineDefinition"])
