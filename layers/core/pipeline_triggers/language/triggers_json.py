"""The compiled triggers, as the handlers read them: ``triggers.json`` ⇄ Trigger."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from pipeline_triggers.language.stages import MANIFEST_BUCKET, resolve, resolve_trigger
from pipeline_triggers.models import Collect, Deadline, Limits, Options, Part, Start, Trigger, When

FORMAT = 1


def dump(
    triggers: Iterable[Trigger],
    stages: Mapping[str, Mapping[str, str]],
    limits: Mapping[str, Limits] | None = None,
) -> str:
    """Write the compiled triggers: one JSON text for all stages, the same for the same documents.

    ``limits`` are the pipelines' by name, which may hold ``${Name}``.
    """
    compiled = {
        "format": FORMAT,
        "stages": stages,
        **({"limits": {name: _set(limit) for name, limit in limits.items()}} if limits else {}),
        "triggers": {trigger.id: _written(trigger) for trigger in triggers},
    }
    return json.dumps(compiled, indent=2, ensure_ascii=False) + "\n"


def load(text: str, stage: str, pseudo_parameters: Mapping[str, str]) -> dict[str, Trigger]:
    """Read what ``dump`` wrote, as one stage sees it."""
    compiled = json.loads(text)
    values = {**compiled["stages"][stage], **pseudo_parameters}
    return {name: resolve_trigger(_trigger(name, raw), values) for name, raw in compiled["triggers"].items()}


def load_limits(text: str, stage: str, pseudo_parameters: Mapping[str, str]) -> dict[str, Limits]:
    """Read the limits of pipelines from what ``dump`` wrote, as one stage sees them."""
    compiled = json.loads(text)
    values = {**compiled["stages"][stage], **pseudo_parameters}
    return {resolve(name, values): Limits(**raw) for name, raw in compiled.get("limits", {}).items()}


def load_manifest_bucket(text: str, stage: str) -> str:
    """Read where the manifests of a stage are written; "" is the stack's own bucket."""
    bucket: str = json.loads(text)["stages"][stage].get(MANIFEST_BUCKET, "")
    return bucket


def _set(limits: Limits) -> dict[str, int]:
    return {name: value for name, value in asdict(limits).items() if value is not None}


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
        "collect": _collect(raw["collect"]) if raw.get("collect") else None,
        "secret": tuple(raw.get("secret", ())),
        "was": tuple(raw.get("was", ())),
        "all_of": {part: Part(**{**one, "when": When(**one["when"])}) for part, one in raw.get("all_of", {}).items()},
    }
    return Trigger(id=name, **{**raw, **read})


def _collect(raw: Mapping[str, Any]) -> Collect:
    expect = raw["expect"]
    return Collect(
        **{
            **raw,
            "expect": tuple(expect) if isinstance(expect, list) else expect,
            "deadline": Deadline(**raw["deadline"]) if raw["deadline"] else None,
        }
    )
