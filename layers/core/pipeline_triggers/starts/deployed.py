"""The triggers and limits that a function was deployed with, read once per execution environment."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Limits, Trigger
from pipeline_triggers.settings import settings


@cache
def triggers() -> dict[str, Trigger]:
    """Return the deployed triggers by id."""
    return triggers_json.load(_text(), settings().stage, _pseudo_parameters())


@cache
def limits() -> dict[str, Limits]:
    """Return the limits by pipeline."""
    return triggers_json.load_limits(_text(), settings().stage, _pseudo_parameters())


@cache
def manifest_bucket() -> str:
    """Return the bucket into which manifests and lists of events are written."""
    return triggers_json.load_manifest_bucket(_text(), settings().stage) or settings().batch_bucket


def _text() -> str:
    # The triggers layer holds them as a package's data, so that they are found wherever layers are mounted.
    # importlib.resources would take longer to import than the file to read.
    (folder,) = import_module("compiled_triggers").__path__
    return Path(folder, "triggers.json").read_text(encoding="utf-8")


def _pseudo_parameters() -> dict[str, str]:
    return {"AWS::Region": settings().region, "AWS::AccountId": settings().account}
