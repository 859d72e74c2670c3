"""What makes a trigger the same one under another name, and its former names (``was``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.section import EXAMPLES
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import triggers_json
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.language.stages import Stages, resolve_trigger
from pipeline_triggers.models import Start, Trigger, When

WITHOUT_WAS = "events on their way are rejected, and what was started may start again"


def problems(triggers: Sequence[Trigger]) -> Iterator[tuple[str, FieldPath, str]]:
    """Yield (a trigger, a path in it, what is wrong there) where a former name is another trigger's as well."""
    owners = {trigger.id: trigger.id for trigger in triggers}
    for trigger in triggers:
        for name in trigger.was:
            if owner := owners.get(name):
                remedy = "a former name belongs to one trigger, and to none that exists"
                yield trigger.id, ("was",), f"{name} is {'its own name' if owner == trigger.id else owner}; {remedy}"
            owners[name] = trigger.id


def forgotten(triggers: Iterable[Trigger], stages: Stages, compiled: str) -> Iterator[tuple[str, str]]:
    """Yield (a trigger, a warning) where the compiled triggers, as they were, have an equal one that is gone."""
    stage = next(iter(stages), "")
    try:
        before = triggers_json.load(compiled, stage, EXAMPLES)
    except (ValueError, KeyError, TypeError, Rejected):
        return  # compiled by another version, or in the middle of a merge: compile says that it is stale
    after = {one.id: resolve_trigger(one, {**EXAMPLES, **stages[stage]}) for one in triggers}
    removed = {name: trigger for name, trigger in before.items() if name not in after}
    for name, former in renamed(removed, [trigger for name, trigger in after.items() if name not in before]):
        if former not in after[name].was:
            yield name, f"is {former} by another name; write was: {name_in(after[name], former)}, or {WITHOUT_WAS}"


def name_in(trigger: Trigger, former: str) -> str:
    """Return a former id as a trigger's ``was`` may write it."""
    team, _, name = former.partition("/")
    return name if trigger.id.startswith(f"{team}/") else former


def renamed(removed: Mapping[str, Trigger], added: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    """Yield (a new trigger's id, the former id of the one that it says it was, or of an equal one that is gone)."""
    gone = {_text(trigger): trigger.id for trigger in removed.values()}
    for trigger in added:
        former = next((name for name in trigger.was if name in removed), None) or gone.get(_text(trigger))
        if former:
            gone = {text: name for text, name in gone.items() if name != former}
            yield trigger.id, former


def _text(trigger: Trigger) -> str:
    return json.dumps({**written(trigger), "was": []}, sort_keys=True)


# What a document calls the fields of a trigger.
_IN_DOCUMENTS = {"condition": "if", "one_of": "start_one_of", "direct": "delivery: direct"}


def written(trigger: Trigger) -> dict[str, Any]:
    """Return all that a document says of a trigger but its name; what may stand in any order is sorted."""
    raw = asdict(trigger)
    raw |= {
        "when": _when(trigger.when),
        "start": _starts(trigger.start),
        "accept": {name: value if isinstance(value, str) else sorted(value) for name, value in trigger.accept.items()},
        "secret": sorted(trigger.secret),
        "steps": sorted(trigger.options.steps),
        **{name: value for name, value in raw["options"].items() if name != "steps"},
        **{f"when.all.{name}": {**asdict(part), "when": _when(part.when)} for name, part in trigger.all_of.items()},
    }
    if trigger.collect and isinstance(trigger.collect.expect, tuple):
        raw["collect"]["expect"] = sorted(trigger.collect.expect)
    hidden = ("id", "options", "all_of", "part")
    return {_IN_DOCUMENTS.get(name, name): value for name, value in raw.items() if name not in hidden}


def _when(when: When) -> str:
    fields = SOURCES[when.source].fields if when.source in SOURCES else {}
    ordered = {name: sorted(value) if fields[name].choices else value for name, value in when.fields.items()}
    return f"{when.source} {json.dumps(ordered, ensure_ascii=False, sort_keys=True)}"


def _starts(starts: Sequence[Start]) -> dict[str, Any]:
    """Return parameters by pipeline; of those that are started several times by their number, too."""
    numbered: dict[str, Any] = {}
    pipelines = [start.pipeline for start in starts]
    for at, start in enumerate(starts):
        number = pipelines[:at].count(start.pipeline)
        numbered[f"{start.pipeline}#{number + 1}" if number else start.pipeline] = dict(start.parameters)
    return numbered
