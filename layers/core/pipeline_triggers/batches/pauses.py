"""Pauses: what holds starts back without a deploy, and what keeps their order once it is lifted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline_triggers.batches.models import Pause
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.store import Store
from pipeline_triggers.batches.table import Changed

LOOKED_AT = 30  # seconds for which a handler remembers the pauses


class Flag:
    """What a handler knows of the pauses; it looks at them at most every 30 seconds."""

    def __init__(self, records: Records, now: Callable[[], float]) -> None:
        self._records = records
        self._now = now
        self._looked_at = float("-inf")
        self._pauses: Sequence[Pause] = ()

    def keeps_in_line(self, trigger: str, pipeline: str) -> bool:
        """Whether a start has to go into the queue: a pause holds it, or others wait there that one held."""
        if self._now() - self._looked_at >= LOOKED_AT:
            self._pauses = self._records.pauses()
            self._looked_at = self._now()
        return any(pause.concerns(trigger, pipeline) for pause in self._pauses)


def pause(pause: Pause, store: Store, records: Records) -> None:
    """Pause, and make void what was decided before and not begun."""
    records.set_pause(pause)
    for pipeline in store.pipelines():
        if pause.kind != "pipeline" or pause.name == pipeline.name:
            records.raise_version(pipeline.name)


def resume(kind: str, name: str, records: Records) -> Pause | None:
    """Resume, and return what was paused; it keeps the order until nothing waits behind it."""
    for paused in records.pauses():
        if (paused.kind, paused.name) == (kind, name):
            records.set_pause(replace(paused, resumed=True))
            return paused
    return None


def lift(services: Services) -> None:
    """Delete the pauses that are over and behind which nothing waits any more."""
    for paused in services.records.pauses():
        if paused.holds(services.now()) or _holds_something(paused, services.store):
            continue
        try:
            services.records.lift(paused)
        except Changed:
            continue  # it was paused anew


def _holds_something(paused: Pause, store: Store) -> bool:
    for pipeline in store.pipelines():
        heads = store.heads(pipeline.name)
        if any(paused.concerns(ticket.trigger, pipeline.name) and not ticket.skip for ticket in heads):
            return True
    return False
