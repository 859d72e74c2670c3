"""What a message of a handler's queue holds: what a rule or a schedule sends, or ``triggers run`` in their place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline_triggers.errors import Filtered, Probed, Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.language.sources import SOURCES, starter
from pipeline_triggers.models import Occurrence, Trigger, named

Triggers = Mapping[str, Trigger]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a queue message brings to one trigger: an occurrence, or the error that reading it ended with.

    Where the trigger has several sources, ``part`` is the name of the one that it comes from.
    """

    trigger: str
    event_id: str
    read: Occurrence | Filtered | Rejected
    part: str = ""

    def occurrence(self) -> Occurrence:
        """Return the occurrence, or raise the error."""
        if isinstance(self.read, Occurrence):
            return self.read
        raise self.read


def parse(body: str) -> Any:
    """Parse a queue message.

    Raises:
        Rejected: it is not valid JSON.

    """
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"the message is not valid JSON: {error}") from error


def from_rule(handler: str, body: str, triggers: Triggers) -> list[Arrival]:
    """Read what a rule or a schedule sends to a handler: the trigger's id, and the event as EventBridge delivered it.

    Where the trigger has several sources, the rule of each also sends the name of its part.

    ``triggers run`` sends the same, and beside them what makes it another occurrence (``again``). No publisher can:
    what they send is inside the event.

    Raises:
        Rejected: the body is not what the compiled rules send.

    """
    match raw := parse(body):
        case {"trigger": str(trigger), "event": dict(event)}:
            read: Occurrence | Rejected
            part = str(raw.get("part", ""))
            current = named(triggers, trigger)
            try:
                source = _source(handler, current, part)
                read = replace(eventbridge.read(event, source), again=str(raw.get("again", "")))
            except Rejected as error:
                read = error
            return [Arrival(current.id if current else trigger, str(event.get("id", "")), read, part)]
        case {"trigger": str(trigger), "probe": str(probe)}:
            return [probed(handler, trigger, probe, triggers)]
    raise Rejected('the message is not {"trigger": "<team>/<name>", "event": {…}}, as the compiled rules send it')


def probed(handler: str, trigger: str, probe: str, triggers: Triggers) -> Arrival:
    """Read a message that only asks whether it arrives. It has no event, so it can start nothing and hide nothing.

    No publisher can send it: what they send is inside an event.
    """
    current = named(triggers, trigger)
    read: Probed | Rejected = Probed("the queue, the function and its triggers work; nothing was started")
    if current is None or not any(starter(view) == handler for view in current.views()):
        read = Rejected("this handler's deployed documents define no such trigger")
    return Arrival(trigger, probe, read)


def _source(handler: str, trigger: Trigger | None, part: str) -> str:
    """Return the source that an event is of; what is not deployed is read as the handler's first source would.

    Raises:
        Rejected: the trigger is not one of this handler. Any rule of the account may send to its queue.

    """
    view = trigger.view(part) if trigger else None
    if view is None:
        return next(name for name, source in SOURCES.items() if source.handler == handler)
    if starter(view) != handler:
        kind = f"a direct trigger on {view.when.source}" if view.direct else f"a trigger on {view.when.source}"
        raise Rejected(f"the event came by the wrong queue: {view.id} is {kind}; find the rule that sends it here")
    return view.when.source
