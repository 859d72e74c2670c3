"""Parameter values of schedules and rules → value sources of a document, with the same meaning. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from pipeline_triggers.documents import value_check

REFERENCE = "${"  # to a stage's value, as a document reads it

# What Scheduler fills in, and what has the same value in a document. How often a start was tried has no counterpart.
_ATTRIBUTE = re.compile(r"<aws\.scheduler\.([a-z-]+)>")
_COUNTERPARTS = {"scheduled-time": "$scheduled.time", "schedule-arn": "$scheduled.arn", "execution-id": "id"}


class LeftOut(Exception):
    """Something that a document can't say; the message says why."""


def sources(values: Mapping[str, str], source: Callable[[str], str], notes: list[str]) -> dict[str, str]:
    """Return the value sources of parameters; those that a document can't say are noted instead."""
    written = {}
    for name, value in values.items():
        try:
            if not value:
                raise LeftOut("SageMaker refuses an empty value")
            written[name] = source(value)
        except LeftOut as reason:
            notes.append(f"its parameter {name} = {value}: {reason}")
    return written


def scheduled_source(text: str) -> str:
    """Return the source of a schedule's value: a literal, but for what Scheduler fills in."""
    parts = _ATTRIBUTE.split(text)
    if len(parts) == 1:
        return _literal(text)
    if unknown := [name for name in parts[1::2] if name not in _COUNTERPARTS]:
        raise LeftOut(f"a document has no counterpart of <aws.scheduler.{unknown[0]}>")
    pieces = [_COUNTERPARTS[part] if position % 2 else _string(part) for position, part in enumerate(parts) if part]
    return f"{{% {' & '.join(pieces)} %}}"


def event_source(text: str) -> str:
    """Return the source of a rule's value: a path into the event, or a literal."""
    if not text.startswith("$."):
        return _literal(text)
    if problem := value_check.check(text, None):
        raise LeftOut(f"it {problem}")
    return text


def _literal(text: str) -> str:
    """Return a text that a document would take for something else as an expression."""
    if text.startswith("$.") or "{%" in text or REFERENCE in text or value_check.check(text, None):
        return f"{{% {_string(text)} %}}"
    return text


def _string(text: str) -> str:
    """Write a text in JSONata, so that nothing in it reads as a reference or as the end of the expression."""
    pieces = re.split(r"(?<=\$)(?=\{)|(?<=%)(?=\})|(?<=\{)(?=%)", text)
    return " & ".join(json.dumps(piece, ensure_ascii=False) for piece in pieces)
