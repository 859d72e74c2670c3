"""The tables of ``docs/triggers.md``, generated from the schema. ``python -m tests.reference`` writes them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_triggers.documents.schema_check import schema

from tests import PROJECT

REFERENCE = PROJECT / "docs" / "triggers.md"

_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return the reference with its tables as the schema says."""
    tables = {
        "document": lambda: _keys(schema()),
        "trigger": lambda: _keys(schema()["$defs"]["trigger"]),
        "when": lambda: _sources(schema()["$defs"]["when"]),
    }
    return _TABLE.sub(lambda found: "".join([found[1], *(f"{row}\n" for row in tables[found[2]]()), found[3]]), text)


def _keys(node: Mapping[str, Any]) -> Iterator[str]:
    yield "| key | meaning | default |"
    yield "| --- | --- | --- |"
    for name, value in node["properties"].items():
        default = str(value["default"]).lower() if "default" in value else ""
        yield _row(f"`{name}`", _meaning(value), "required" if name in node.get("required", ()) else default)


def _sources(node: Mapping[str, Any]) -> Iterator[str]:
    yield "| `when` | meaning | |"
    yield "| --- | --- | --- |"
    for source, value in node["properties"].items():
        yield _row(f"`{source}`", _meaning(value), "")
        for name, field in value["properties"].items():
            required = "required" if name in value.get("required", ()) else ""
            yield _row(f"`{source}.{name}`", _meaning(field), required)


def _meaning(value: Mapping[str, Any]) -> str:
    described: str = value.get("description") or schema()["$defs"][value["$ref"].rpartition("/")[2]]["description"]
    return described.rstrip(".")


def _row(*cells: str) -> str:
    return f"| {' | '.join(map(_escaped, cells))} |".replace("|  |", "| |")


def _escaped(text: str) -> str:
    """Keep what Markdown would read as its own, outside code."""
    return text if text.startswith("`") else re.sub(r"[*|<]", r"\\\g<0>", text)


def main() -> int:
    """Write the tables, or with ``--check`` say whether they are stale."""
    text = REFERENCE.read_text(encoding="utf-8")
    written = with_tables(text)
    if "--check" in sys.argv[1:]:
        if stale := written != text:
            told = f"{REFERENCE}: its tables are not what the schema says; run: make format"
            print(told, file=sys.stderr)  # noqa: T201 - a command's output
        return int(stale)
    REFERENCE.write_text(written, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
