"""``stages.yaml``: the stages and their values, or what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline_triggers.documents import quotas
from pipeline_triggers.documents.document import Document
from pipeline_triggers.documents.literal import is_intrinsic
from pipeline_triggers.language.stages import MANIFEST_BUCKET, Stages, references
from pipeline_triggers.text import brief

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_STAGE = re.compile(r"[A-Za-z0-9]+")  # a key of a CloudFormation mapping


def read_stages(document: Document) -> Stages:
    """Read the stages; none when they have a problem."""
    if document.problems:
        return {}
    if not isinstance(document.data, dict) or not document.data:
        document.problem((), "names no stage; write at least one, as in dev: {RawBucket: raw-dev}")
        return {}
    stages = {stage: values or {} for stage, values in document.data.items()}
    names = {name for values in stages.values() if isinstance(values, dict) for name in values}
    for stage, values in stages.items():
        if not _STAGE.fullmatch(stage) or is_intrinsic(stage):
            document.problem((stage,), "is not the name of a stage; use letters and digits only, and not Ref")
        if isinstance(values, dict):
            for missing in sorted(names - values.keys()):
                document.problem((stage,), f"has no {missing}, which another stage has; add it")
            _check_values(document, stage, values)
        else:
            document.problem((stage,), "has no values; write names and values, as in {RawBucket: raw-dev}")
    for message in quotas.of_stages({stage: values for stage, values in stages.items() if isinstance(values, dict)}):
        document.problem((), message)
    return {} if document.problems else stages


def _check_values(document: Document, stage: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        path = (stage, name)
        if references(f"${{{name}}}") != [name] or "::" in name or is_intrinsic(name):
            document.problem(path, "is not a name; use letters and digits, beginning with a letter, and not Ref")
        if not isinstance(value, str) or not value:
            document.problem(path, "is not a single value; write a text")
        elif name == MANIFEST_BUCKET and not _BUCKET.fullmatch(value):
            document.problem(path, f"is {brief(value)}, not the name of a bucket; write it without s3://")
        elif "${" in value:
            document.problem(
                path, "refers to another value; write the value itself, or refer to both where this is used"
            )
