"""CloudFormation's own language: ARNs, a document's texts with the stage's values in them, logical ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline_triggers.language.stages import PSEUDO_PARAMETERS, REFERENCE, references

Resource = dict[str, Any]
Intrinsic = dict[str, Any]

MAX_DESCRIPTION_LENGTH = 512  # AWS::Events::Rule, AWS::Scheduler::Schedule
MAX_READABLE = 100  # of a logical id, which may have 255 characters; EventBridge names its rule after it

_STAGES = "Stages"
_LOWER_CASED_STAGES = "LowerCasedStages"
_KNOWN_TO_SUB = PSEUDO_PARAMETERS | {"AWS::Partition"}


def arn(service: str, resource: str) -> str:
    """Return the ARN of a resource of this Region and account, for ``sub``."""
    return f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"


def pipeline_arn(pipeline: str) -> str:
    """Return a pipeline's ARN, for ``sub``."""
    return arn("sagemaker", f"pipeline/{pipeline}")


def stage_text(text: str) -> str | Intrinsic:
    """Write a document's text: as it is, or with the stage's values in it."""
    names = references(text)
    if not names:
        return text
    if text == f"${{{names[0]}}}" and names[0] not in PSEUDO_PARAMETERS:
        return _stage_value(names[0], _STAGES)
    return sub(text)


def sub(text: str) -> Intrinsic:
    """Write a text in which CloudFormation replaces every ``${Name}``."""
    return _sub(text, _STAGES)


def spellings(text: str) -> list[Intrinsic]:
    """Write an ARN in both spellings: SageMaker's may be lower-cased, and IAM compares letter by letter."""
    if ":sagemaker:" not in text:
        return [sub(text)]
    beginning, slash, name = text.rpartition("/")
    literals_and_names = enumerate(REFERENCE.split(name))
    lower = "".join(part.lower() if at % 2 == 0 else f"${{{part}}}" for at, part in literals_and_names)
    as_written, lower_cased = sub(text), _sub(beginning + slash + lower, _LOWER_CASED_STAGES)
    return [as_written] if as_written == lower_cased else [as_written, lower_cased]


def _sub(text: str, mapping: str) -> Intrinsic:
    values = {name: _stage_value(name, mapping) for name in references(text) if name not in _KNOWN_TO_SUB}
    return {"Fn::Sub": [text, values] if values else text}


def _stage_value(name: str, mapping: str) -> Intrinsic:
    return {"Fn::FindInMap": [mapping, {"Ref": "Stage"}, name]}


def conditions(parameters: Iterable[str]) -> dict[str, Any]:
    """Return the template's section that says which optional parameters were given, for ``if_given``."""
    return {"Conditions": {f"Has{name}": {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]} for name in parameters}}


def if_given(parameter: str, value: Resource) -> Intrinsic:
    """Write a value that is there only if an optional parameter of the stack is not empty."""
    return {"Fn::If": [f"Has{parameter}", value, {"Ref": "AWS::NoValue"}]}


def mappings(stages: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the template's section with the stages' values; CloudFormation refuses empty mappings."""
    if not all(stages.values()):
        return {}
    lower = {stage: {name: value.lower() for name, value in values.items()} for stage, values in stages.items()}
    return {
        "Mappings": {_STAGES: {stage: dict(values) for stage, values in stages.items()}, _LOWER_CASED_STAGES: lower}
    }


def logical_id(name: str, kind: str, of: str | None = None) -> str:
    """Name a resource: readable, and with a hash of what it is for, as churn/a-b and churn-a/b read the same."""
    words = re.split(r"[^A-Za-z0-9]+", name)
    readable = "".join(word[:1].upper() + word[1:] for word in words)[:MAX_READABLE]
    return readable + hashlib.sha256((of or name).encode()).hexdigest()[:6] + kind
