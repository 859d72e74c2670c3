"""What ``triggers doctor`` reports, and how its commands are written."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is or will be broken: what is wrong, and the command, or what else, that fixes it.

    ``cause`` names the check. ``seen`` is False where the check could not look, for which ``fix`` names the permission.
    """

    cause: str
    message: str
    fix: str
    seen: bool = True


def command(service: str, operation: str, **options: Any) -> str:
    """Write a command of the AWS CLI: an option for each argument, as JSON where it is not a text."""
    words = [f"aws {service} {operation}"]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            words.append(f"{option} {shlex.quote(text)}")
    return " ".join(words)
