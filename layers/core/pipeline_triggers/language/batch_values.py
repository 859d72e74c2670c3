"""What ``collect`` means for an event and its batch: ``by``, ``part``, ``expect``, ``due``, ``only_if``, ``$batch``.

An event is judged by the view of its source (``Trigger.views``), a batch by its trigger.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import cron, values
from pipeline_triggers.language.sources.schedule import scheduled
from pipeline_triggers.models import Deadline, Occurrence, Trigger

MAX_BY_LENGTH = 256  # characters
MAX_PART_LENGTH = 64  # characters
MAX_EXPECTED = 1000  # parts of a batch, and batches of a deadline
MAX_EXPECTED_BYTES = 100_000  # of the names of parts, as the item of an open batch holds them twice
MAX_EVENTS = 100_000  # of a batch

# The fields of ``$batch`` that it always has; the others are left out where they are empty.
_ALWAYS = frozenset({"id", "count", "bytes", "parts", "missing", "revision"})
_FIELDS = _ALWAYS | {"by", "prefix", "first", "last", "manifest", "events"}


def by(view: Trigger, occurrence: Occurrence) -> str:
    """Return which batch of the trigger an event belongs to, "" where all belong to one.

    Raises:
        Rejected: it can't be computed from this event, or is empty or too long.

    """
    source = view.collect.by if view.collect else None
    return _name("collect.by", source, occurrence, MAX_BY_LENGTH) if source is not None else ""


def part(view: Trigger, occurrence: Occurrence) -> str:
    """Return which part of its batch an event brings, "" where there are none.

    Raises:
        Rejected: it can't be computed from this event, or is empty or too long.

    """
    source = view.collect.part if view.collect else None
    return view.part or (_name("collect.part", source, occurrence, MAX_PART_LENGTH) if source is not None else "")


def expect(trigger: Trigger, by: str) -> tuple[str, ...] | int | None:
    """Return the parts that a batch with this ``by`` expects, or how many distinct ones; None where it expects none.

    Raises:
        Rejected: the expression does not give that.

    """
    if trigger.all_of:
        return tuple(trigger.all_of)
    source = trigger.collect.expect if trigger.collect else None
    if not isinstance(source, str):
        return source
    return expected(source, values.computed(source, _without_event({"batch": {"by": by}})))


def expected(source: str, value: Any) -> tuple[str, ...] | int:
    """Read what an ``expect`` gives.

    Raises:
        Rejected: it does not give names or a whole number, or too many or none of them; ``source`` names it.

    """
    parts: tuple[str, ...] | int
    if isinstance(value, int | float):
        if isinstance(value, bool) or not float(value).is_integer():
            raise Rejected(f"{source} gives {value}, which is neither names of parts nor how many there are")
        parts = int(value)
    else:
        parts = names(source, value, MAX_PART_LENGTH)
    count = parts if isinstance(parts, int) else len(parts)
    if not 1 <= count <= MAX_EXPECTED:
        raise Rejected(f"{source} expects {count} parts; a batch expects 1 to {MAX_EXPECTED}")
    if not isinstance(parts, int) and (size := sum(len(name.encode()) for name in parts)) > MAX_EXPECTED_BYTES:
        raise Rejected(f"{source} expects parts whose names have {size} bytes; a batch holds {MAX_EXPECTED_BYTES}")
    return parts


def due(deadline: Deadline, time: str) -> tuple[str, ...]:
    """Return each ``by`` that a time of the deadline's cron asks for; ``time`` is ISO 8601 with its offset.

    Raises:
        Rejected: ``due`` does not give that.

    """
    source = deadline.due or ""
    asked = names(source, values.computed(source, of_deadline(deadline, time)), MAX_BY_LENGTH)
    if len(asked) > MAX_EXPECTED:
        raise Rejected(f"{source} gives {len(asked)} batches; a deadline takes {MAX_EXPECTED} at most")
    return asked


def of_deadline(deadline: Deadline, time: str) -> Occurrence:
    """Return what ``due`` is computed on: a time of the deadline's cron, which binds ``$scheduled``.

    ``$scheduled.days`` is not there where the cron fires more than once a day.

    Raises:
        Rejected: the time is not one that a compiled schedule sends, or has no time before it.

    """
    bound = scheduled(time, deadline.timezone)
    if deadline.cron and cron.time_of_day(deadline.cron):
        bound["days"] = cron.days(deadline.cron, deadline.timezone, date.fromisoformat(bound["date"]))
    return _without_event({"scheduled": bound})


def starts(trigger: Trigger, batch: Occurrence) -> bool:
    """Evaluate ``only_if`` of a batch, as ``of_batch`` returns it.

    Raises:
        Rejected: it gives neither true nor false.

    """
    source = trigger.collect.only_if if trigger.collect else None
    return source is None or values.holds(source, batch, field="collect.only_if")


def of_batch(fields: Mapping[str, Any]) -> Occurrence:
    """Return what the values of a trigger with ``collect`` are computed on: a batch, which binds ``$batch``.

    ``fields`` are those of ``batches.manifest.View``; ``first`` and ``last`` are the variables of those events.
    """
    bound = {name: value for name, value in fields.items() if name in _ALWAYS or (name in _FIELDS and value)}
    batch = {name: list(value) if isinstance(value, tuple) else value for name, value in bound.items()}
    return Occurrence(
        event_id=str(fields["id"]),
        subject=f"batch {fields['id']}",
        identity=("batch", str(fields["id"])),
        event={},
        bindings={"batch": batch},
        depth=int(fields.get("depth", 0)),
    )


def _without_event(variables: Mapping[str, Any]) -> Occurrence:
    return Occurrence("", "", (), {}, variables)


def _name(field: str, source: str, occurrence: Occurrence, most: int) -> str:
    try:
        return _checked(source, values.computed(source, occurrence), most)
    except Rejected as error:
        raise Rejected(f"{field}: {error}") from error


def names(source: str, value: Any, most: int) -> tuple[str, ...]:
    """Read one name or a list of them, each once.

    Raises:
        Rejected: one of them is missing, empty, too long, or not a single value.

    """
    items = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(_checked(source, item, most) for item in items))


def _checked(source: str, value: Any, most: int) -> str:
    name = values.text(source, value)
    if not name:
        raise Rejected(f"{source} is empty on this event; guard it, as in {{% $x = '' ? 'none' : $x %}}")
    if len(name) > most:
        raise Rejected(f"{source} has {len(name)} characters on this event; it may have {most}")
    return name
