"""The compiled triggers, as the handlers read them: ``triggers.json`` ⇄ Trigger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from pipeline_triggers.language.stages import resolve_trigger
from pipeline_triggers.models import Options, Start, Trigger, When

FORMAT = 1


def dump(triggers: Iterable[Trigger], stages: Mapping[str, Mapping[str, str]]) -> str:
    """Write the compiled triggers: one JSON text for all stages, the same for the same documents."""
    compiled = {
        "format": FORMAT,
        "stages": stages,
        "triggers": {trigger.id: _written(trigger) for trigger in triggers},
    }
    return json.dumps(compiled, indent=2, ensure_ascii=False) + "\n"


def load(text: str, stage: str, pseudo_parameters: Mapping[str, str]) -> dict[str, Trigger]:
    """Read what ``dump`` wrote, as one stage sees it."""
    compiled = json.loads(text)
    values = {**compiled["stages"][stage], **pseudo_parameters}
    return {name: resolve_trigger(_trigger(name, raw), values) for name, raw in compiled["triggers"].items()}


_DEFAULTS = asdict(Trigger("", When("", {}), ()))


def _written(trigger: Trigger) -> dict[str, Any]:
    """Write what differs from a trigger's defaults."""
    raw = asdict(trigger)
    options = _DEFAULTS["options"]
    raw["options"] = {name: value for name, value in raw["options"].items() if value != options[name]} or options
    return {name: value for name, value in raw.items() if name != "id" and value != _DEFAULTS[name]}


def _trigger(name: str, raw: Mapping[str, Any]) -> Trigger:
    options = raw.get("options", {})
    read = {
        "when": When(**raw["when"]),
        "start": tuple(Start(**start) for start in raw["start"]),
        "options": Options(**{**options, "steps": tuple(options.get("steps", ()))}),
    }
    return Trigger(id=name, **{**raw, **read})
