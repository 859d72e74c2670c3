"""Who reads the manifest of a batch: steps that would take it for the data, and roles that have to read it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account import home
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import Problem
from pipeline_triggers.language.stages import MANIFEST_BUCKET
from pipeline_triggers.language.values import expression
from pipeline_triggers.models import Start, Trigger
from pipeline_triggers.operations.check_account import parameter_place, place, triggers_of

_MANIFEST = re.compile(r"\$batch\s*\.\s*manifest\b")


class Reader(NamedTuple):
    """A step that reads what a parameter names; ``data_type`` is its S3DataType, "" where the step has none."""

    step: str
    role: str
    data_type: str


def warnings(documents: Documents, stage: str) -> list[Problem]:
    """Return what to look after where a pipeline gets the manifest of a batch.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: no account answers at all.

    """
    if not any(trigger.collect for trigger in documents.triggers):
        return []
    written = {trigger.id: trigger for trigger in documents.triggers}
    bucket = documents.stages[stage].get(MANIFEST_BUCKET)
    manifests = f"bucket {bucket}" if bucket else "the stack's BatchBucket"
    problems = []
    for trigger in triggers_of(documents, stage, home.current().pseudo_parameters()):
        for position, start in enumerate(trigger.start) if trigger.enabled and trigger.collect else ():
            where = place(trigger, written[trigger.id], position)
            for name, message in _of_start(trigger, start, manifests):
                path = parameter_place(trigger, where, name)
                problems.append(documents.problem(trigger.id, path, message, "warning"))
    return problems


def _of_start(trigger: Trigger, start: Start, manifests: str) -> Iterator[tuple[str, str]]:
    """Yield (a parameter that is a manifest, what to look after)."""
    names = [name for name, value in start.parameters.items() if _MANIFEST.search(expression(value) or "")]
    if not names:
        return
    try:
        pipeline: Mapping[str, Any] = aws.sagemaker().describe_pipeline(PipelineName=start.pipeline)
    except ClientError:
        return  # reported among the problems
    buckets = " and ".join(
        dict.fromkeys(view.when.fields["bucket"] for view in trigger.views() if view.when.source == "s3")
    )
    for name in names:
        of_parameter = readers(pipeline["PipelineDefinition"], name, pipeline["RoleArn"])
        for reader in of_parameter:
            if reader.data_type == "S3Prefix":
                message = f"step {reader.step} of {start.pipeline} reads it as S3DataType S3Prefix, so it would take"
                yield name, f"{message} the manifest itself for the data; write ManifestFile there"
        roles = dict.fromkeys(reader.role for reader in of_parameter) or {pipeline["RoleArn"]: None}
        for role in roles:
            yield name, f"{role} must be able to read bucket {buckets}, {manifests}, and their KMS keys"


def readers(definition: str, parameter: str, pipeline_role: str) -> list[Reader]:
    """Return the steps of a pipeline's definition, a JSON text, that read from S3 what a parameter names."""
    found = []
    for step in _steps(json.loads(definition).get("Steps", [])):
        arguments = step.get("Arguments", {})
        role = arguments.get("RoleArn")
        for source in _sources(arguments):
            if _names(source.get("S3Uri"), parameter):
                is_known = isinstance(role, str)  # it may be a parameter itself
                found.append(Reader(str(step.get("Name")), role if is_known else pipeline_role, source["S3DataType"]))
    return found


def _steps(steps: Any) -> Iterator[Mapping[str, Any]]:
    """Yield all steps, those in the branches of conditions, too."""
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict):
            yield step
            arguments = step.get("Arguments", {})
            for branch in ("IfSteps", "ElseSteps"):
                yield from _steps(arguments.get(branch) if isinstance(arguments, dict) else None)


def _sources(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what reads from S3 in a step's arguments, apart from the steps in its branches."""
    match value:
        case {"S3DataType": str()}:
            yield value
        case dict():
            for name, item in value.items():
                if name not in ("IfSteps", "ElseSteps"):
                    yield from _sources(item)
        case list():
            for item in value:
                yield from _sources(item)


def _names(value: Any, parameter: str) -> bool:
    """Whether a value of a definition holds a parameter, by itself or joined to others."""
    match value:
        case {"Get": str(name)}:
            return name == f"Parameters.{parameter}"
        case dict():
            return any(_names(item, parameter) for item in value.values())
        case list():
            return any(_names(item, parameter) for item in value)
        case _:
            return False
