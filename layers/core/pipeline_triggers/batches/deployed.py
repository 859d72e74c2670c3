"""The deployed triggers and limits as batches ask for them; pure but for what it is given."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline_triggers.batches.manifest import View
from pipeline_triggers.batches.models import Target, Ticket
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.language import batch_values
from pipeline_triggers.models import Limits, Run, Trigger
from pipeline_triggers.starts.plan import planned


class Deployed:
    """The documents that a function was deployed with."""

    def __init__(self, triggers: Mapping[str, Trigger], limits: Mapping[str, Limits]) -> None:
        self._triggers = triggers
        self._limits = limits

    def targets(self, trigger: str) -> tuple[Target, ...] | None:
        """Return what a trigger starts, None where no document holds it."""
        found = self._triggers.get(trigger)
        return targets(found) if found else None

    def limits(self, pipeline: str) -> Limits:
        """Return the limits of a pipeline."""
        return self._limits.get(pipeline, Limits())

    def plan(self, ticket: Ticket, view: View, token: str) -> Run:
        """Compute a batch's start with the trigger as it is now.

        Raises:
            Filtered: the trigger's ``only_if`` is false.
            Rejected: a value can't be computed.

        """
        trigger = self._triggers[ticket.trigger]
        fields = {name: getattr(view, name) for name in View.__dataclass_fields__}
        batch = batch_values.of_batch({**fields, "first": variables(view.first), "last": variables(view.last)})
        if not batch_values.starts(trigger, batch):
            raise Filtered(f"condition not met: {trigger.collect.only_if if trigger.collect else ''}")
        return planned(trigger, targets(trigger).index(ticket.target), batch, token)

    def expected(self, trigger: str, scheduled: str) -> Mapping[str, tuple[str, ...] | int | Rejected]:
        """Return which ``by`` a deadline asks for, each with the parts that it expects, or why there are none.

        Raises:
            Rejected: the trigger's ``due`` can't be computed.

        """
        found = self._triggers.get(trigger)
        deadline = found.collect.deadline if found and found.collect else None
        if not found or not deadline:
            return {}  # the schedule belongs to a trigger that was removed since
        return {by: _expected(found, by) for by in batch_values.due(deadline, scheduled)}


def _expected(trigger: Trigger, by: str) -> tuple[str, ...] | int | Rejected:
    try:
        expect = batch_values.expect(trigger, by)
    except Rejected as error:
        return error
    return () if expect is None else expect


def targets(trigger: Trigger) -> tuple[Target, ...]:
    """Return what a trigger starts; entries that name the same pipeline differ in their number."""
    pipelines = [start.pipeline for start in trigger.start]
    return tuple(Target(name, pipelines[:position].count(name)) for position, name in enumerate(pipelines))


def variables(data: Mapping[str, object]) -> Mapping[str, object]:
    """Return the variables of an event of which a batch keeps this: ``$object``, or all with the event itself."""
    if "key" in data:
        return {"object": data}
    return {name: value for name, value in data.items() if name != "event"}
