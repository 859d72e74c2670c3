"""Characters that an office program or a web page puts in the place of plain spaces and straight quotes."""

from __future__ import annotations

import re
import unicodedata

_QUOTES = "“”„‟‘’‚‛«»"  # noqa: RUF001 - they are what this is about
_SPACES = "\u00a0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff"

_ODD = re.compile(f"[{_QUOTES}{_SPACES}]")
_ODD_SPACE = re.compile(f"[{_SPACES}]")
_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")

# Where YAML takes a space or a quote: in the indentation, and before a value.
_IN_PLACE = re.compile(rf"^\s*([{_SPACES}])|[:,\[{{-]\s*([{_QUOTES}{_SPACES}])")

_BELONGS = "or quote the value if it belongs there"


def key_problem(key: str) -> str | None:
    """Say which such character a key holds, and what to write instead, or None."""
    return _message(match[0]) if (match := _ODD.search(key)) else None


def problem(text: str, *, quoted: bool) -> str | None:
    """Say the same of a value; in a quoted one, only of an expression outside of its own quotes."""
    if text.startswith("{%"):
        return key_problem(_LITERAL.sub("", text))
    if quoted:
        return None
    match = _ODD_SPACE.search(text) or (_ODD.match(text))
    return f"{_message(match[0])}, {_BELONGS}" if match else None


def has_odd_indentation(line: str) -> bool:
    """Whether a line begins with a space that YAML does not take for one."""
    return bool(_ODD_SPACE.search(line, 0, len(line) - len(line.lstrip())))


def line_problem(line: str) -> str | None:
    """Say the same of a line that YAML could not read."""
    match = _IN_PLACE.search(line)
    return _message(match[1] or match[2]) if match else None


def _message(character: str) -> str:
    if character in _QUOTES:
        return f"has a curly quote ({character}); write a straight one"
    name = "non-breaking space" if character == "\u00a0" else unicodedata.name(character, "space").lower()
    return f"has a {name} (U+{ord(character):04X}); write a plain space"
