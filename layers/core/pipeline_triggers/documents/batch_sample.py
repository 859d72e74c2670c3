"""Batches as a trigger with ``collect`` makes them, on which the check evaluates what is computed of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from pipeline_triggers.batches.manifest import View
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import batch_values, lookups
from pipeline_triggers.models import Occurrence, Trigger

COMPLETE, INCOMPLETE, EMPTY = "a complete batch", "an incomplete batch", "an empty batch"

_ID = "4f1d7c0e5a2b4f1d7c0e5a2b4f1d7c0e"
_FOLDER = f"s3://acme-batches/batches/churn/{_ID}/"
_PARTS = tuple(f"part-{number}" for number in range(1, batch_values.MAX_EXPECTED + 1))


class BatchSample(NamedTuple):
    """One kind of batch, and an example of it."""

    kind: str
    batch: Occurrence


def batch_samples(trigger: Trigger, events: Mapping[str, Occurrence | None]) -> list[BatchSample]:
    """Return a complete batch of a trigger, an incomplete one and an empty one.

    ``events`` has an event of each source where one is known, by the name of its part. The complete and the incomplete
    batch begin with another one of them, as nobody knows which comes first.
    """
    by = sample_by(trigger, events)
    expect = _expect(trigger, by)
    joins = expect is not None or (trigger.collect is not None and trigger.collect.part is not None)
    names = expect if isinstance(expect, tuple) else _PARTS[: expect or 3] if joins else ()
    variables = [_variables(event) for event in events.values()]
    views = trigger.views()
    uploads = [view for view in views if view.when.source == "s3"]
    uris = [str(event.bindings["object"]["uri"]) for view in uploads if (event := events.get(view.part))]
    in_one_bucket = len(uploads) == len(views) and len({view.when.fields["bucket"] for view in uploads}) == 1
    whole = View(
        id=_ID,
        by=by,
        count=max(2, len(names)),
        bytes=1_048_576 * len(uris),
        parts=names,
        missing=0 if isinstance(expect, int) else (),
        prefix=uris[0].rpartition("/")[0] + "/" if uris else "",
        revision=1,
        first=variables[0],
        last=variables[-1],
        depth=0,
        manifest=f"{_FOLDER}manifest.json" if in_one_bucket else "",
        events=f"{_FOLDER}events.jsonl",
    )
    one = {"count": 1, "parts": names[:1], "first": variables[-1], "missing": _missing(expect, names[:1])}
    none: dict[str, Any] = dict.fromkeys(("prefix", "first", "last", "manifest", "events"), "")
    none |= {"count": 0, "bytes": 0, "parts": (), "missing": _missing(expect, ())}
    kinds: dict[str, dict[str, Any]] = {COMPLETE: {}, INCOMPLETE: one, EMPTY: none}
    return [BatchSample(kind, batch_values.of_batch(asdict(whole) | changed)) for kind, changed in kinds.items()]


def sample_by(trigger: Trigger, events: Mapping[str, Occurrence | None]) -> str:
    """Return the ``by`` of an event; "" where there is none, or it can't be computed."""
    view = trigger.views()[0]
    event = events.get(view.part)
    try:
        return batch_values.by(view, event) if event else ""
    except Rejected:
        return ""


def _expect(trigger: Trigger, by: str) -> tuple[str, ...] | int | None:
    try:
        return batch_values.expect(trigger, by)
    except Rejected:
        return 1  # what is wrong with it is said elsewhere


def _missing(expect: tuple[str, ...] | int | None, parts: tuple[str, ...]) -> tuple[str, ...] | int:
    if isinstance(expect, int):
        return expect - len(parts)
    return tuple(name for name in expect or () if name not in parts)


def _variables(event: Occurrence | None) -> dict[str, Any]:
    """Return the variables that a batch keeps of an event: without what a handler looks up for others."""
    bindings = event.bindings if event else {}
    return {
        variable: {name: value for name, value in fields.items() if (variable, name) not in lookups.LOOKUPS}
        for variable, fields in bindings.items()
    }
