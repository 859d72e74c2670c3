"""The compiled files beside the documents, committed with them like a lock file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from pipeline_triggers.compile.stack import PAST, STACK

FOLDER = "compiled"


def write(directory: Path, compiled: Mapping[str, str]) -> None:
    """Write the compiled files."""
    (directory / FOLDER).mkdir(exist_ok=True)
    for name, text in compiled.items():
        (directory / FOLDER / name).write_text(text, encoding="utf-8")


def stale(directory: Path, compiled: Mapping[str, str]) -> list[Path]:
    """Return the committed files that are not what compiling gives."""
    paths = {directory / FOLDER / name: text for name, text in compiled.items()}
    return [path for path, text in paths.items() if not path.is_file() or path.read_bytes() != text.encode()]


def compiled_triggers(directory: Path) -> str:
    """Return the committed triggers.json, "" where there is none."""
    path = directory / FOLDER / "triggers.json"
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def past_when_compiled(directory: Path) -> frozenset[str]:
    """Return which times had passed when the committed files were compiled: time alone makes nothing stale."""
    try:
        text = (directory / FOLDER / STACK).read_text(encoding="utf-8")
        return frozenset(yaml.safe_load(text)["Metadata"][PAST])
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        return frozenset()  # the file is stale or missing, or nothing had passed
