"""The compiled triggers, as the handlers read them: ``triggers.json`` ⇄ Trigger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.stages import resolve

FORMAT = 1


def dump(triggers: Iterable[Trigger], stages: Mapping[str, Mapping[str, str]]) -> str:
    """Write the compiled triggers: one JSON text for all stages, the same for the same documents."""
    compiled = {
        "format": FORMAT,
        "stages": stages,
        "triggers": {trigger.id: _without_id(trigger) for trigger in triggers},
    }
    return json.dumps(compiled, indent=2, ensure_ascii=False) + "\n"


def load(text: str, stage: str, pseudo_parameters: Mapping[str, str]) -> dict[str, Trigger]:
    """Read what ``dump`` wrote, as one stage sees it."""
    compiled = json.loads(text)
    values = {**compiled["stages"][stage], **pseudo_parameters}
    return {name: _trigger(name, raw, values) for name, raw in compiled["triggers"].items()}


def _without_id(trigger: Trigger) -> dict[str, Any]:
    raw = asdict(trigger)
    del raw["id"]
    return raw


def _trigger(name: str, raw: Mapping[str, Any], values: Mapping[str, str]) -> Trigger:
    when = When(**_resolved(raw["when"], values))
    start = tuple(Start(**_resolved(start, values)) for start in raw["start"])
    rest = {key: value for key, value in raw.items() if key not in ("when", "start", "condition")}
    return Trigger(name, when, start, _resolved(raw["condition"], values), **rest)


def _resolved(raw: Any, values: Mapping[str, str]) -> Any:
    match raw:
        case str():
            return resolve(raw, values)
        case dict():
            return {key: _resolved(value, values) for key, value in raw.items()}
        case list():
            return [_resolved(value, values) for value in raw]
        case _:
            return raw
