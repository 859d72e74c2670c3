"""Time spans as documents write them, such as ``5 minutes``."""

from __future__ import annotations

_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


def seconds(duration: str) -> int:
    """Return the seconds of a time span whose shape is right."""
    number, unit = duration.split()
    return int(number) * _SECONDS[unit.removesuffix("s")]


def words(duration: int) -> str:
    """Write seconds as a time span again, in the largest unit that fits."""
    unit, size = next((unit, size) for unit, size in reversed(_SECONDS.items()) if duration % size == 0)
    return f"{duration // size} {unit}{'s' * (duration != size)}"
