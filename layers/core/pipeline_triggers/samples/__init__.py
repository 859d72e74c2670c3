"""One realistic event per source: what the check evaluates values on. ``events/`` at the top links to them."""

from __future__ import annotations

import json
from importlib import resources

from pipeline_triggers.events import eventbridge, s3_upload
from pipeline_triggers.models import Occurrence, When


def sample(when: When) -> Occurrence | None:
    """Return an event as the trigger's source sends them, or None where nobody can know (``event``)."""
    if when.source == "event":
        return None
    event = json.loads(resources.files(__name__).joinpath(f"{when.source}.json").read_text(encoding="utf-8"))
    if when.source != "s3":
        return eventbridge(event)
    if "key" in when.fields:
        # A key that the glob matches, so that what the expressions take out of it is there.
        event["detail"]["object"]["key"] = when.fields["key"].replace("**", "a/b").replace("*", "2026-10")
    return s3_upload(event)
