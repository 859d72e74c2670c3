"""What follows from the code: ``schema.json``'s part on ``when``, the tables of the reference and of costs.

``make format`` runs ``python -m tests.tools.reference``, which writes them; ``--check`` says which are stale.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from pipeline_triggers.language.lookups import LOOKUPS
from pipeline_triggers.language.sources import SOURCES

from tests import PROJECT
from tests.tools import costs

SCHEMA = PROJECT / "layers" / "core" / "pipeline_triggers" / "documents" / "schema.json"
REFERENCE = PROJECT / "docs" / "triggers.md"
ARCHITECTURE = PROJECT / "docs" / "architecture.md"
OPERATIONS = PROJECT / "docs" / "operations.md"

_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Schema = dict[str, Any]


def with_sources(schema: Schema) -> Schema:
    """Return the documents' JSON Schema with the sources that there are, and all of several."""
    when = schema["$defs"]["when"]
    sources = {name: source.json_schema() for name, source in SOURCES.items()}
    when = when | {"properties": {**sources, "all": when["properties"]["all"]}}
    return schema | {"$defs": schema["$defs"] | {"when": when}}


def with_tables(text: str, schema: Schema) -> str:
    """Return the reference with its tables as the schema and the lookups have them."""
    definitions = schema["$defs"]
    tables = {
        "document": lambda: _keys(schema, definitions),
        "trigger": lambda: _keys(definitions["trigger"], definitions),
        "collect": lambda: _keys(definitions["collect"], definitions),
        "deadline": lambda: _keys(definitions["deadline"], definitions),
        "limits": lambda: _keys(definitions["limits"], definitions),
        "when": lambda: _sources(definitions),
        "lookups": _lookups,
        "packages": _packages,
        "costs": costs.table,
        "prices": costs.prices,
    }
    return _TABLE.sub(lambda table: "".join([table[1], *(f"{row}\n" for row in tables[table[2]]()), table[3]]), text)


def _keys(node: Schema, definitions: Schema) -> Iterator[str]:
    yield "| key | meaning | default |"
    yield "| --- | --- | --- |"
    for name, value in node["properties"].items():
        default = str(value["default"]).lower() if "default" in value else ""
        required = "required" if name in node.get("required", ()) else default
        yield _row(f"`{name}`", _meaning(value, definitions), required)


def _sources(definitions: Schema) -> Iterator[str]:
    yield "| `when` | meaning | |"
    yield "| --- | --- | --- |"
    for source, value in definitions["when"]["properties"].items():
        yield _row(f"`{source}`", _meaning(value, definitions), "")
        for name, field in value.get("properties", {}).items():
            required = "required" if name in value.get("required", ()) else ""
            yield _row(f"`{source}.{name}`", _meaning(field, definitions), required)


def _lookups() -> Iterator[str]:
    yield "| field | meaning | permissions |"
    yield "| --- | --- | --- |"
    for lookup in LOOKUPS.values():
        actions = (f"`{action}`" for grant in lookup.grants for action in grant.actions)
        yield _row(f"`${lookup.variable}.{lookup.field}`", _escaped(lookup.description), ", ".join(actions))


def _packages() -> Iterator[str]:
    """Describe the packages by their docstrings, in the order of the import contract, on their side of the wall."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    order, wall, *_ = project["tool"]["importlinter"]["contracts"]
    yield "| package | runs in | what it is for |"
    yield "| --- | --- | --- |"
    for row in order["layers"]:
        for name in row.split(" | "):
            place = "a command" if name in wall["forbidden_modules"] else "Lambda"
            summary = " ".join((import_module(name).__doc__ or "").partition("\n\n")[0].replace("``", "`").split())
            yield _row(f"`{name.removeprefix('pipeline_triggers.')}`", place, _escaped(summary))


def _meaning(value: Mapping[str, Any], definitions: Schema) -> str:
    described = value.get("description") or definitions[value["$ref"].rpartition("/")[2]]["description"]
    return _escaped(str(described).rstrip("."))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _escaped(text: str) -> str:
    """Escape what Markdown would read as its own."""
    return re.sub(r"[*|<]", r"\\\g<0>", text)


def main() -> int:
    """Write the files, or with ``--check`` say which are stale."""
    schema = with_sources(json.loads(SCHEMA.read_text(encoding="utf-8")))
    texts = {
        SCHEMA: json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        **{
            path: with_tables(path.read_text(encoding="utf-8"), schema)
            for path in (REFERENCE, ARCHITECTURE, OPERATIONS)
        },
    }
    stale = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            problem = f"{path}: stale; run: make format"
            print(problem, file=sys.stderr)  # noqa: T201 - a command's output
        return 1 if stale else 0
    for path in stale:
        path.write_text(texts[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
