"""A trigger of each source to begin with: ``starters.yaml`` → the text of one."""

from __future__ import annotations

import re
from importlib import resources

import yaml

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_HEAD = """\
# yaml-language-server: $schema=../core/pipeline_triggers/documents/schema.json
version: 1
owner: {team}
pipelines: [{pipeline}]
triggers:
"""


def starter(source: str, name: str, pipeline: str) -> str:
    """Return a trigger on this source, as it stands under ``triggers`` of a document, with examples that it meets."""
    text = resources.files("pipeline_triggers.documents").joinpath("starters.yaml").read_text(encoding="utf-8")
    root = yaml.compose(text)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101 - the file is ours
    (triggers,) = (value for key, value in root.value if key.value == "triggers")
    keys = [key for key, _ in triggers.value]
    ends = [*(key.start_mark.index for key in keys[1:]), len(text)]
    (at,) = (number for number, key in enumerate(keys) if key.value == source)
    body = text[keys[at].end_mark.index : ends[at]].rstrip(" ")
    return f"  {name}{body}".replace("my-pipeline", pipeline)


def document(team: str, pipeline: str) -> str:
    """Return the beginning of a team's document, below which its triggers stand."""
    return _HEAD.format(team=team, pipeline=pipeline)
