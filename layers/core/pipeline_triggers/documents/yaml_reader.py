"""YAML → mappings, lists and the text of scalars as written, with the line of everything.

YAML 1.1 turns ``NO`` into false, ``1.10`` into 1.1 and ``12:30`` into 750, and lets a repeated key overwrite the
former. None of that happens here: a scalar stays the text that stands in the file, and a repeated key is a problem.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from pipeline_triggers.errors import Problem
from pipeline_triggers.text import printable

Path = tuple[str | int, ...]

MAX_DEPTH = 50

# Under these, null is a value that an event may hold.
_MAY_BE_NULL = frozenset({"pattern", "attributes", "body"})
_NULLS = frozenset({"null", "Null", "NULL", "~"})


@dataclass(slots=True)
class Source:
    """A file's ``data``, the line (from 1) where each path into it begins, and which of its scalars have no quotes."""

    file: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    unquoted: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    wrong: set[Path] = field(default_factory=set)
    wrong_below: set[Path] = field(default_factory=set)

    def is_right(self, path: Path) -> bool:
        """Whether no problem has been noted at a path or below it."""
        return path not in self.wrong_below

    def problem(self, path: Path, message: str) -> None:
        """Note a problem at a path."""
        self.wrong.add(path)
        self.wrong_below |= {path[:end] for end in range(len(path) + 1)}
        self.problems.append(self.located(path, message))

    def located(self, path: Path, message: str) -> Problem:
        """Return a problem at a path, on the line of the path or of its nearest parent."""
        nearest = next((path[:end] for end in range(len(path), -1, -1) if path[:end] in self.lines), ())
        return Problem(self.file, self.lines.get(nearest, 1), printable(".".join(map(str, path))), printable(message))


class _Unreadable(Exception):
    """Reading can't go on; the problem has been noted."""


def read(file: str, text: str) -> Source:
    """Read one YAML document. What is wrong with it stands in the result's ``problems``."""
    source = Source(file)
    reader = _Reader(source, text)
    try:
        source.data = reader.document()
    except _Unreadable:
        source.data = None
    return source


class _Reader:
    """Walks PyYAML's events, so that an error is known by its path even where no tree comes about."""

    def __init__(self, source: Source, text: str) -> None:
        self.source = source
        self.text = text
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.BaseLoader)
        self.path: Path = ()
        self.anchors: set[str] = set()

    def document(self) -> Any:
        event = self.next()
        while isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            event = self.next()
        if isinstance(event, yaml.StreamEndEvent):
            return None
        data = self.value(event)
        self.next()  # the document's end
        event = self.next()
        if not isinstance(event, yaml.StreamEndEvent):
            self.source.lines[()] = _line(event)
            self.fail("holds a second YAML document; write one per file, without ---")
        return data

    def next(self) -> yaml.Event:
        try:
            return next(self.events)
        except yaml.MarkedYAMLError as error:
            if mark := _where(error):
                self.source.lines[self.path] = mark.line + 1
            self.fail(self.syntax(error))
        except yaml.reader.ReaderError as error:
            self.source.lines[self.path] = self.text.count("\n", 0, error.position) + 1
            # The code point is an int in PyYAML, whatever its type hints say.
            self.fail(f"holds U+{int(error.character):04X}, which YAML does not allow; escape it in double quotes")

    def quote(self, beginning: str, text: str) -> str:
        """Say that a value needs quotes, and write it with them."""
        name = f"{self.path[-1]}: " if self.path and isinstance(self.path[-1], str) else ""
        return f'a value that begins with {beginning} needs quotes; write {name}"{text}"'

    def syntax(self, error: yaml.MarkedYAMLError) -> str:
        """Say what is wrong in the words of who wrote it, where that can be told."""
        mark, context_mark = error.problem_mark, error.context_mark
        if error.context == "while scanning an alias" and context_mark is not None:
            return self.quote("*", _text_at(context_mark))
        if error.context == "while scanning for the next token" and mark is not None:
            found = _text_at(mark)
            if (mark.buffer or "")[mark.pointer : mark.pointer + 1] == "\t":
                if not _text_of_line(mark).strip():
                    return "is indented with a tab; indent with spaces"
                return "has a tab; write a space instead, or quote the value"
            if mark.buffer is not None and mark.buffer[: mark.pointer].endswith("{"):
                return self.quote("{%", "{% … %}")
            if found:
                return self.quote(found[0], found)
        if error.problem == "mapping values are not allowed here" and mark is not None:
            name, colon, value = _text_of_line(mark).strip().partition(": ")
            rest = (mark.buffer or "")[mark.pointer :].partition("\n")[0].strip(" \r\0")
            if not colon:
                return (
                    "is indented further than what stands beside it, or the line before ends without a value; align it"
                )
            written = json.dumps(f"{value}{rest}"[:80], ensure_ascii=False)
            return f'has ": " in a value without quotes; write {name[:80]}: {written}'
        if (error.problem or "").endswith("but got '?'"):
            return 'has a ? in a value without quotes; write it with them, as in cron: "0 2 * * ? *"'
        if error.problem == "could not find expected ':'":
            return "has a name without a value; write a colon and a space after it"
        told = " ".join(filter(None, (error.context, error.problem)))
        return f"is no YAML: {told}; check its quotes, brackets and indentation"

    def fail(self, message: str) -> NoReturn:
        self.source.problem(self.path, message)
        raise _Unreadable

    def value(self, event: yaml.Event) -> Any:
        if len(self.path) > MAX_DEPTH:
            self.fail(f"is nested deeper than {MAX_DEPTH} levels; write it flatter")
        if (anchor := getattr(event, "anchor", None)) is not None:
            if isinstance(event, yaml.AliasEvent):
                if anchor in self.anchors:
                    self.source.problem(self.path, f"is a YAML alias (*{anchor}); repeat the value")
                    return ""
                self.fail(self.quote("*", f"*{anchor}"))
            self.anchors.add(anchor)
            self.source.problem(self.path, "has a YAML anchor (&); repeat the value, or quote it if & belongs to it")
        if (tag := getattr(event, "tag", None)) is not None:
            self.source.problem(self.path, f"has a YAML tag ({tag}); remove it, or quote the value")
        self.source.lines.setdefault(self.path, _line(event))
        match event:
            case yaml.ScalarEvent(value=str(text), style=style):
                if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
                    self.source.problem(self.path, "holds half a surrogate pair, which is no text; write the whole one")
                if any(character < " " and character not in "\t\n\r" for character in text):
                    self.source.problem(self.path, "holds a control character, which AWS takes nowhere; remove it")
                if style is None:
                    self.source.unquoted.add(self.path)
                    if text in _NULLS and not _MAY_BE_NULL.intersection(self.path):
                        told = f'is {text}, which is no value; write "{text}" if you mean the text, or leave it out'
                        self.source.problem(self.path, told)
                return text
            case yaml.SequenceStartEvent():
                return self.sequence()
            case yaml.MappingStartEvent():
                return self.mapping()
        raise AssertionError(event)

    def sequence(self) -> list[Any]:
        items: list[Any] = []
        parent = self.path
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            self.path = (*parent, len(items))
            items.append(self.value(event))
            self.path = parent
        return items

    def mapping(self) -> dict[str, Any]:
        items: dict[str, Any] = {}
        parent = self.path
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.style is None:
                self.source.lines[(*parent, "<<")] = _line(event)
                self.path = (*parent, "<<")
                self.source.problem(self.path, "is a merge key, which is not supported; repeat the keys here")
                if not isinstance(merged := self.next(), yaml.AliasEvent):
                    self.value(merged)
                self.path = parent
                continue
            if not isinstance(event, yaml.ScalarEvent):
                self.source.lines[(*parent, "?")] = _line(event)
                self.path = (*parent, "?")
                self.fail("is no key; keys are plain text")
            key = event.value
            self.path = (*parent, key)
            if key in items:
                former, self.source.lines[self.path] = self.source.lines[self.path], _line(event)
                self.source.problem(self.path, f"stands twice, first on line {former}; remove one")
            self.source.lines[self.path] = _line(event)
            items[key] = self.value(self.next())
            self.path = parent
        return items


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _where(error: yaml.MarkedYAMLError) -> yaml.Mark | None:
    """Return where an error is; what is not closed by the file's end, where it begins."""
    mark = error.problem_mark
    at_end = mark is not None and mark.buffer is not None and mark.buffer[mark.pointer :] in ("", "\0")
    return error.context_mark if at_end and error.context_mark else mark


def _text_at(mark: yaml.Mark) -> str:
    """Return the text that begins at a mark, up to a space or to what ends it in a list or mapping."""
    depth, text = 0, ""
    for character in (mark.buffer or "")[mark.pointer :]:
        if character.isspace() or character == "\0" or (depth == 0 and character in ",]}"):
            break
        depth += (character in "[{") - (character in "]}")
        text += character
    return text


def _text_of_line(mark: yaml.Mark) -> str:
    return (mark.buffer or "")[: mark.pointer].rpartition("\n")[2]
