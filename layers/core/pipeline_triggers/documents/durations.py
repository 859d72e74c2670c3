"""Time spans as documents write them, such as ``5 minutes``."""

from __future__ import annotations

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


def seconds(duration: str) -> int:
    """Return the seconds of a time span whose shape is right."""
    number, unit = duration.split()
    return int(number) * _SECONDS[unit.removesuffix("s")]
