"""One realistic event per source, on which the check evaluates values. ``events`` at the top links to their folder."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

from pipeline_triggers.documents.cron import cron_problem
from pipeline_triggers.events import eventbridge
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language import cron, lookups
from pipeline_triggers.language.sources import SOURCES, topic
from pipeline_triggers.models import Occurrence, Trigger, When

_FILES = resources.files("pipeline_triggers.documents") / "samples"

SAMPLE_DAYS = ["2026-11-20", "2026-11-21", "2026-11-22"]

_REQUESTED = "churn/requests"  # the trigger that sns.json names


def sample(when: When) -> Occurrence | None:
    """Return an event as the trigger's source sends them, with its looked-up fields; None where nobody can know."""
    source = SOURCES[when.source]
    if (name := source.sample_name(when.fields)) is None:
        return None
    event = json.loads(_FILES.joinpath(f"{name}.json").read_text(encoding="utf-8"))
    if when.source == "sns":
        reader = Trigger(_REQUESTED, When("sns", {"topic": event["TopicArn"]} if topic(when) else {}), ())
        return from_topic(None, json.dumps(event), {_REQUESTED: reader})[0].occurrence()
    occurrence = eventbridge.read(source.fit(event, when.fields), when.source)
    bindings = {
        name: {**fields, **lookups.samples(name, when.source), **_of_fields(when)}
        for name, fields in {**occurrence.bindings, **source.sample_bindings(when.fields)}.items()
    }
    return replace(occurrence, bindings=bindings)


def _of_fields(when: When) -> dict[str, list[str]]:
    """Return the fields of ``$scheduled`` that depend on the document."""
    written = when.fields.get("cron", "") if when.source == "schedule" else ""
    has_days = written and cron_problem(written) is None and cron.has_days(written)
    return {"days": SAMPLE_DAYS} if has_days else {}
