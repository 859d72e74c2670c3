"""One realistic event per source: what the check evaluates values on. ``events/`` at the top links to them."""

from __future__ import annotations

import json
from importlib import resources

from pipeline_triggers.events import s3_upload
from pipeline_triggers.models import Occurrence


def sample_upload(key_glob: str | None) -> Occurrence:
    """Return an upload whose key matches the glob, with all that S3 may say of an object."""
    event = json.loads(resources.files(__name__).joinpath("s3_upload.json").read_text(encoding="utf-8"))
    if key_glob is not None:
        event["detail"]["object"]["key"] = key_glob.replace("**", "a/b").replace("*", "2026-10")
    return s3_upload(event)
