"""YAML → mappings, lists and the text of scalars as written, with the line of everything.

YAML 1.1 turns ``NO`` into false, ``1.10`` into 1.1 and ``12:30`` into 750, and lets a repeated key overwrite the
first one. None of that happens here: a scalar stays the text that the file holds, and a repeated key is a problem.
"""

from __future__ import annotations

from typing import Any

import yaml

from pipeline_triggers.documents import typography, yaml_errors
from pipeline_triggers.documents.document import Document, FieldPath

# Under these, null is a value that an event may hold.
_MAY_BE_NULL = frozenset({"pattern", "attributes", "body", "examples"})
_NULLS = frozenset({"null", "Null", "NULL", "~"})

# Texts for people may hold any character.
_PROSE = frozenset({"description", "owner"})


def read(file: str, text: str) -> Document:
    """Read one YAML document; the problems with it are in the result's ``problems``."""
    document = Document(file)
    path: list[str | int] = []
    try:
        root = _Loader(text, path).get_single_node()
    except (yaml.MarkedYAMLError, yaml.reader.ReaderError) as error:
        line, message = yaml_errors.explain(error, text, path[-1] if path else None)
        document.lines[tuple(path)] = line
        document.problem(tuple(path), message)
        return document
    if root is not None:
        reader = _Reader(document, text)
        data = reader.value(root, ())
        document.data = data if reader.is_readable else None
    return document


class _Loader(yaml.BaseLoader):
    """Composes nodes; after an error, ``path`` leads to the node at which it was."""

    def __init__(self, text: str, path: list[str | int]) -> None:
        super().__init__(text)
        self.path = path

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Compose the item at an index, the value of a key, or (without an index) a key or the root."""
        is_child = index is not None
        if is_child:
            self.path.append(index if isinstance(index, int) else index.value if _is_text(index) else "?")
        if len(self.path) > yaml_errors.MAX_DEPTH:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml_errors.TooDeep(problem_mark=event.start_mark)
        node = super().compose_node(parent, index)
        if is_child:
            self.path.pop()
        return node


class _Reader:
    """Turns nodes into data, and adds to the document where everything is and what is wrong with it."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        self.text = text
        self.seen: set[int] = set()
        self.is_readable = True

    def value(self, node: yaml.Node, path: FieldPath) -> Any:
        """Return a node's data."""
        if id(node) in self.seen:
            self.document.problem(path, f"is a YAML alias (*{self._word(node)[1:]}); repeat the value")
            return ""
        self.seen.add(id(node))
        self.document.lines.setdefault(path, node.start_mark.line + 1)
        self._check_properties(node, path)
        match node:
            case yaml.MappingNode():
                return self._mapping(node, path)
            case yaml.SequenceNode():
                return [self.value(item, (*path, at)) for at, item in enumerate(node.value)]
            case yaml.ScalarNode():
                return self._scalar(node, path)
        raise AssertionError(node)

    def _mapping(self, node: yaml.MappingNode, path: FieldPath) -> dict[str, Any]:
        items: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            here = (*path, key.value if _is_text(key) else "?")
            first = self.document.lines.get(here)
            self.document.lines[here] = line
            if not _is_text(key):
                self.document.problem(here, "is not a key; a key is plain text")
            elif key.value == "<<" and key.style is None:
                self.document.problem(here, "is a merge key, which is not supported; repeat the keys here")
            else:
                self._check_properties(key, here)
                if message := typography.key_problem(key.value):
                    self.document.problem(here, message)
                    self.is_readable = False  # what the key is, and on which level, is a guess
                if key.value in items:
                    self.document.problem(here, f"is defined twice, first on line {first}; remove one")
                items[key.value] = self.value(value, here)
        return items

    def _scalar(self, node: yaml.ScalarNode, path: FieldPath) -> str:
        text: str = node.value
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            self.document.problem(path, "holds half a surrogate pair, which is not a character; write the whole pair")
        if any(character < " " and character not in "\t\n\r" for character in text):
            self.document.problem(path, "holds a control character, which AWS does not accept; remove it")
        if node.style is None:
            self.document.unquoted.add(path)
            if text in _NULLS and not _MAY_BE_NULL.intersection(path):
                message = f'is {text}, which is not a value; write "{text}" if you mean the text, or leave it out'
                self.document.problem(path, message)
        odd = None if _PROSE.intersection(path[-1:]) else typography.problem(text, quoted=node.style is not None)
        if odd:
            self.document.problem(path, odd)
        return text

    def _check_properties(self, node: yaml.Node, path: FieldPath) -> None:
        """Refuse anchors and tags, with which a node then begins."""
        word = self._word(node)
        if word.startswith("&"):
            message = "has a YAML anchor (&); repeat the value, or quote it if the & belongs to it"
            self.document.problem(path, message)
        elif word.startswith("!"):
            self.document.problem(path, f"has a YAML tag ({word}); remove it, or quote the value")

    def _word(self, node: yaml.Node) -> str:
        return yaml_errors.word_at(self.text, node.start_mark.index)


def _is_text(key: yaml.Node) -> bool:
    return isinstance(key, yaml.ScalarNode)
