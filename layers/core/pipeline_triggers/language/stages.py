"""``${Name}`` in a trigger document: a value that differs per stage, or the Region or account deployed to."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipeline_triggers.errors import Rejected

STAGES_FILE = "stages.yaml"

# What CloudFormation itself knows, and so need not stand in stages.yaml.
PSEUDO_PARAMETERS = frozenset({"AWS::AccountId", "AWS::Region"})

# Only whole names: JSONata's own ${key: value} is no reference.
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

    return REFERENCE.sub(value, text)
