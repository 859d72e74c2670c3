"""What a trigger asks of an event beyond what its EventBridge rule can match."""

from __future__ import annotations

from pipeline_triggers.globs import matches
from pipeline_triggers.models import Occurrence, Trigger


def unmet(trigger: Trigger, occurrence: Occurrence) -> str | None:
    """Say which condition the event does not meet, or None when it meets all."""
    glob, key = trigger.when.key, occurrence.bindings["object"]["key"]
    if glob is not None and not matches(glob, key):
        # EventBridge allows 30 rules with wildcards per bus, so the rule matches the glob's beginning only.
        return f"the key does not match {glob}"
    return None
