"""One file: its data, the line of everything in it, and the problems with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline_triggers.errors import Problem
from pipeline_triggers.text import printable

# From a document's root to a value: names and list indices.
FieldPath = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """A file's ``data``, the line (from 1) where each path into it begins, and which of its scalars have no quotes."""

    file: str
    data: Any = None
    lines: dict[FieldPath, int] = field(default_factory=dict)
    unquoted: set[FieldPath] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    _wrong: set[FieldPath] = field(default_factory=set)
    _wrong_below: set[FieldPath] = field(default_factory=set)

    def is_right(self, path: FieldPath) -> bool:
        """Whether there is no problem at a path or below it."""
        return path not in self._wrong_below

    def without_wrong(self, path: FieldPath) -> Any:
        """Return the value at a path without the values that have a problem themselves."""
        value = self.data
        for step in path:
            value = value[step]
        return self._without_wrong(value, path)

    def _without_wrong(self, value: Any, path: FieldPath) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: self._without_wrong(child, (*path, name))
            for name, child in value.items()
            if (*path, name) not in self._wrong and (isinstance(child, dict) or self.is_right((*path, name)))
        }

    def problem(self, path: FieldPath, message: str) -> None:
        """Add a problem at a path."""
        self.mark_wrong(path)
        self.problems.append(self.located(path, message))

    def mark_wrong(self, path: FieldPath) -> None:
        """Keep the value at a path from being read for its meaning."""
        self._wrong.add(path)
        self._wrong_below |= {path[:end] for end in range(len(path) + 1)}

    def located(self, path: FieldPath, message: str, severity: str = "error") -> Problem:
        """Return a problem at a path, on the line of the path or of its nearest parent."""
        nearest = next((path[:end] for end in range(len(path), -1, -1) if path[:end] in self.lines), ())
        name = printable(".".join(map(str, path)))
        return Problem(self.file, self.lines.get(nearest, 1), name, printable(message), severity)
