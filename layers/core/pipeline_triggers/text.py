"""Texts for people: suggestions, quotes, and escapes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that is close, or else all of them."""
    known = list(known)
    if close := get_close_matches(word, known, n=1):
        return f"did you mean {close[0]}?"
    return f"use one of {', '.join(known)}" if len(known) > 1 else f"use {known[0]}"


def spelling(word: str) -> str:
    """Return a word's spelling without case, dashes and underscores: in-service, IN_SERVICE and InService are one."""
    return re.sub(r"[-_ ]", "", word).lower()


def printable(text: str) -> str:
    """Escape characters that would break a line or hide in it, such as control characters and lone surrogates."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def brief(text: str) -> str:
    """Quote a text, cut after 80 characters."""
    return repr(text if len(text) <= 80 else f"{text[:77]}…")


def span(seconds: float) -> str:
    """Return a time span in its largest unit, cut off: 45 s, 5 min, 3 h, 2 d."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(max(seconds, 0))} s"


def duration(seconds: int) -> str:
    """Return a time span as documents write it, exactly: 90 minutes, 1 day."""
    units = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    number, name = next((seconds // unit, name) for unit, name in units if seconds % unit == 0)
    return f"{number} {name}{'' if number == 1 else 's'}"
