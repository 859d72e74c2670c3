"""PyYAML's errors in the words of the file's author, where the mistake can be recognised."""

from __future__ import annotations

import json

import yaml

from pipeline_triggers.documents import typography

MAX_DEPTH = 50


class TooDeep(yaml.MarkedYAMLError):
    """The file is nested deeper than anybody writes."""


def explain(
    error: yaml.MarkedYAMLError | yaml.reader.ReaderError, text: str, name: str | int | None
) -> tuple[int, str]:
    """Return the line (from 1) of a mistake, and what it is; ``name`` is the key or index at which reading stopped."""
    if isinstance(error, yaml.reader.ReaderError):
        # The code point is an int in PyYAML, whatever its type hints say.
        message = f"holds U+{int(error.character):04X}, which YAML does not allow; escape it in double quotes"
        return text.count("\n", 0, error.position) + 1, message
    mark = error.problem_mark
    if mark is None:
        return 1, _other(error)
    if typographic := _typographic(error, mark, text.splitlines()):
        return typographic
    # What the file's end does not close is where it began.
    at_end = text[mark.index :] in ("", "\0")
    line = error.context_mark.line if at_end and error.context_mark else mark.line
    return line + 1, _message(error, mark, text, name)


def _typographic(error: yaml.MarkedYAMLError, mark: yaml.Mark, lines: list[str]) -> tuple[int, str] | None:
    """Return the line with a curly quote or an odd space that may have caused the error, and what it has."""
    begun = error.context_mark if (error.context or "").startswith("while scanning") else None
    # YAML takes an odd space in the indentation for text, and stops at a line below.
    indented = (number for number, line in enumerate(lines[: mark.line]) if typography.has_odd_indentation(line))
    for number in sorted({*indented, *(place.line for place in (begun, mark) if place)}):
        if number < len(lines) and (message := typography.line_problem(lines[number])):
            return number + 1, message
    return None


def _message(error: yaml.MarkedYAMLError, mark: yaml.Mark, text: str, name: str | int | None) -> str:
    problem = error.problem or ""
    if isinstance(error, TooDeep):
        return f"is nested deeper than {MAX_DEPTH} levels; write it flatter"
    if error.context == "expected a single document in the stream":
        return "holds a second YAML document; write one per file, without ---"
    if problem == "second occurrence":
        return "has a YAML anchor (&); repeat the value, or quote it if the & belongs to it"
    if problem.startswith("found undefined alias"):
        return _needs_quotes("*", word_at(text, mark.index), name)
    if error.context == "while scanning an alias" and error.context_mark is not None:
        return _needs_quotes("*", word_at(text, error.context_mark.index), name)
    if error.context == "while scanning for the next token":
        return _stray_character(text, mark, name)
    if problem == "mapping values are not allowed here":
        return _second_colon(text, mark)
    if problem.startswith("expected <block end>, but found"):
        return _unexpected(text, mark) or _other(error)
    if problem.endswith("but got '?'"):
        return 'has a ? in a value without quotes; quote the value, as in cron: "0 2 * * ? *"'
    if problem == "could not find expected ':'":
        return "has a name without a value; write a colon and a space after it"
    return _other(error)


def _other(error: yaml.MarkedYAMLError) -> str:
    message = " ".join(filter(None, (error.context, error.problem)))
    return f"is not valid YAML: {message}; check its quotes, brackets and indentation"


def _needs_quotes(beginning: str, value: str, name: str | int | None) -> str:
    key = f"{name}: " if isinstance(name, str) else ""
    return f'a value that begins with {beginning} needs quotes; write {key}"{value}"'


def _stray_character(text: str, mark: yaml.Mark, name: str | int | None) -> str:
    """Explain a character with which YAML can't begin anything."""
    if text[mark.index : mark.index + 1] == "\t":
        if not _before(text, mark).strip():
            return "is indented with a tab; indent with spaces"
        return "has a tab; write a space instead, or quote the value"
    if text[: mark.index].endswith("{"):
        return _needs_quotes("{%", "{% … %}", name)
    word = word_at(text, mark.index)
    return _needs_quotes(word[0], word, name)


def _second_colon(text: str, mark: yaml.Mark) -> str:
    name, colon, value = _before(text, mark).strip().partition(": ")
    if not colon:
        return "is indented further than the lines beside it, or the line before ends without a value; align it"
    rest = text[mark.index :].partition("\n")[0].strip(" \r\0")
    quoted = json.dumps(f"{value}{rest}"[:80], ensure_ascii=False)
    return f'has ": " in a value without quotes; write {name[:80]}: {quoted}'


def _unexpected(text: str, mark: yaml.Mark) -> str | None:
    """Explain what goes on behind a value, and a line whose indentation is that of no line above."""
    before = _before(text, mark)
    if before.strip():
        ends = before.rstrip()[-1] in "\"'}]"
        return "has text after a closing quote or bracket; put the whole value in quotes" if ends else None
    *above, line = text.splitlines()[: mark.line + 1]
    levels: list[int] = []
    for other in above:
        if other.strip() and not other.lstrip().startswith("#"):
            depth = len(other) - len(other.lstrip(" "))
            levels = [*(level for level in levels if level < depth), depth]
    depth = len(before)
    if depth in levels:
        return None
    fitting = [*[level for level in levels if level < depth][-1:], *[level for level in levels if level > depth][:1]]
    name = line.split(":")[0].strip()[:80]
    spaces = " or ".join(map(str, fitting))
    return f"{name} is indented by {depth} space{'s' * (depth != 1)}; indent it by {spaces} like the lines above"


def _before(text: str, mark: yaml.Mark) -> str:
    """Return the part of a line before a mark."""
    return text[: mark.index].rpartition("\n")[2]


def word_at(text: str, start: int) -> str:
    """Return the text that begins at an index, up to a space or to what ends it in a list or mapping."""
    depth, word = 0, ""
    for character in text[start : start + 200]:
        if character.isspace() or character == "\0" or (depth == 0 and character in ",]}"):
            break
        depth += (character in "[{") - (character in "]}")
        word += character
    return word
