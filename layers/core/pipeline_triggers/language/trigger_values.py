"""``$trigger``: which trigger starts a pipeline, and for what, in the values of a start."""

from __future__ import annotations

from dataclasses import replace

from pipeline_triggers.models import Occurrence


def bound(trigger_id: str, occurrence: Occurrence) -> Occurrence:
    """Return an occurrence, or a batch, as the values of a start see it: with ``$trigger``."""
    batch = occurrence.bindings.get("batch", {}).get("id")
    fields = {"id": trigger_id, "event_id": occurrence.event_id, "subject": occurrence.subject, "batch": batch}
    known = {name: value for name, value in fields.items() if value}
    return replace(occurrence, bindings={**occurrence.bindings, "trigger": known})
