"""``${Name}`` in a trigger document: a value that differs per stage, or the Region or account deployed to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.models import Trigger

STAGES_FILE = "stages.yaml"

# The value that names where manifests are written, instead of into the stack's own bucket.
MANIFEST_BUCKET = "ManifestBucket"

# The values that differ, by stage and name.
Stages = Mapping[str, Mapping[str, str]]

# CloudFormation's own, which stages.yaml does not have.
PSEUDO_PARAMETERS = frozenset({"AWS::AccountId", "AWS::Region"})

# Only whole names: JSONata's own ${key: value} is not a reference.
REFERENCE = re.compile(r"\$\{([A-Za-z][A-Za-z0-9]*(?:::[A-Za-z]+)?)\}")


def references(text: str) -> list[str]:
    """Return the names that a text refers to, in order, each once."""
    return list(dict.fromkeys(REFERENCE.findall(text)))


def resolve(text: str, values: Mapping[str, str]) -> str:
    """Replace every ``${Name}`` by its value.

    Raises:
        Rejected: a name has no value; compiling refuses that, so the deployed files are not of one version.

    """

    def value(reference: re.Match[str]) -> str:
        try:
            return values[reference[1]]
        except KeyError:
            raise Rejected(f"{reference[0]} has no value in this stage; compile and deploy again") from None

    return REFERENCE.sub(value, text) if "${" in text else text


def resolve_trigger(trigger: Trigger, values: Mapping[str, str]) -> Trigger:
    """Return a trigger as a stage sees it. In its description, which is for people, ``${…}`` is not a reference.

    Raises:
        Rejected: a name has no value.

    """
    resolved: Trigger = resolve_all(replace(trigger, description=""), values)
    return replace(resolved, description=trigger.description)


def resolve_all(value: Any, values: Mapping[str, str]) -> Any:
    """Resolve all texts of a value, names of fields and keys excepted.

    Raises:
        Rejected: a name has no value.

    """
    if isinstance(value, str):
        return resolve(value, values)
    if isinstance(value, Mapping):
        return {key: resolve_all(item, values) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(resolve_all(item, values) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        before = {field.name: getattr(value, field.name) for field in fields(value)}
        after = {name: resolve_all(item, values) for name, item in before.items()}
        # Most refer to nothing, and to make one anew takes longer than to compare.
        return value if after == before else replace(value, **after)
    return value
