"""A document's beginning, and what checking a whole one says."""

from __future__ import annotations

from pathlib import Path

from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError

STAGES = "dev: {RawBucket: raw-dev}\nprod: {RawBucket: raw-prod}\n"

# Line 6 on is what a test puts in.
HEAD = """\
version: 1
owner: churn-team
pipelines: [churn-*]
triggers:
  retrain:
"""

GOOD = "    when: {s3: {bucket: raw}}\n    start: churn-training\n"


def problems(directory: Path, text: str, name: str = "churn.yaml", stages: str = STAGES) -> list[str]:
    """Return what loading a document says, without the directory."""
    (directory / "stages.yaml").write_text(stages, encoding="utf-8")
    (directory / name).write_text(text, encoding="utf-8")
    try:
        loader.load(directory)
    except DocumentsError as error:
        return [str(problem).removeprefix(f"{directory}/") for problem in error.problems]
    return []
