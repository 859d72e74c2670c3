"""Globs, in which only stars are special.

In a key, ``*`` matches within a path segment and ``**`` matches whole segments. In a name, ``*`` matches any text.
"""

from __future__ import annotations

import re
from functools import lru_cache


def check(glob: str) -> str | None:
    """Return what is wrong with a glob and how to write it instead, or None."""
    if not glob:
        return "is empty; leave it out to match every key"
    for segment in glob.split("/"):
        if "**" in segment and segment != "**":
            return f"** matches whole path segments; write {segment.replace('**', '*')!r} or put / around **"
    return None


@lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob into a pattern for a key whose every segment, the last one too, ends in ``/``.

    Every star but the last of its kind commits to its first match (an atomic group): what follows it could
    match from a later place only if it can from the first. Otherwise a long key could keep ``*a*a*a*`` busy
    for hours.
    """
    first, *others = _runs(glob.split("/"))
    if not others:
        return re.compile(first, re.DOTALL)
    *middle, last = others
    tail = f"(?:[^/]*/)*?{last}" if last else "(?:[^/]*/)+"
    return re.compile(first + "".join(f"(?>(?:[^/]*/)*?{run})" for run in middle) + tail, re.DOTALL)


def _runs(segments: list[str]) -> list[str]:
    """Translate the runs of segments between the ``**`` ones, each segment with its closing slash."""
    runs = [""]
    for segment in segments:
        if segment == "**":
            runs.append("")
        else:
            runs[-1] += f"{_segment(segment)}/"
    return runs


def _segment(segment: str, character: str = "[^/]") -> str:
    first, *others = map(re.escape, segment.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>{character}*?{text})" for text in middle) + f"{character}*{last}"


def matches_name(glob: str, name: str) -> bool:
    """Whether the whole name matches the glob."""
    return re.fullmatch(_segment(glob, "."), name, re.DOTALL) is not None


def matches(glob: str, key: str) -> bool:
    """Whether the whole key matches the glob."""
    return _pattern(glob).fullmatch(f"{key}/") is not None


def literal_prefix(glob: str) -> str:
    """Return the beginning that every matching key has."""
    return glob.partition("*")[0]
