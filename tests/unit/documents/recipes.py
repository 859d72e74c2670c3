"""The recipes of ``docs/triggers.md``, as the documents that they are."""

from __future__ import annotations

import re
from pathlib import Path

from tests import PROJECT

STAGES = {"recipes": "dev: {Environment: dev}\n", "batch-recipes": "dev:\n"}


def write(directory: Path, team: str) -> None:
    """Write the document of recipes with this owner, and its stages, into a directory."""
    text = (PROJECT / "docs" / "triggers.md").read_text(encoding="utf-8")
    (recipes,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if f"owner: {team}\n" in block]
    (directory / f"{team}.yaml").write_text(recipes, encoding="utf-8")
    (directory / "stages.yaml").write_text(STAGES[team], encoding="utf-8")
