"""Triggers → the text of a document, with comments: what people would write, and theirs from then on. Pure."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from pipeline_triggers.account.home import Home
from pipeline_triggers.text import printable

# A text that nobody can take for anything else is written without quotes.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(slots=True)
class ImportedTrigger:
    """A trigger to write: its ``when``, and by pipeline the value sources of the parameters.

    ``origin`` is the schedule or rule that it was, and ``removal`` says how that is removed. ``notes`` are what is not
    carried over, and ``missing`` what a pipeline needs and the origin did not set.
    """

    name: str
    origin: str
    removal: str
    when: dict[str, Any]
    start: dict[str, dict[str, str]]
    enabled: bool
    description: str
    tags: Mapping[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def body(self) -> dict[str, Any]:
        """Return what the document says of it."""
        body: dict[str, Any] = {"description": self.description} if self.description else {}
        if not self.enabled:
            body["enabled"] = False
        body["when"] = self.when
        if len(self.start) == 1:
            ((body["start"], parameters),) = self.start.items()
            if parameters:
                body["parameters"] = parameters
        else:
            body["start"] = self.start
        body |= self.options
        if self.tags:
            body["tags"] = dict(sorted(self.tags.items()))
        return body


def text_of(triggers: Collection[ImportedTrigger], left_out: Iterable[str], team: str, home: Home) -> str:
    """Return the text of a document."""
    siblings = Counter(trigger.origin for trigger in triggers)
    pipelines = sorted({pipeline for trigger in triggers for pipeline in trigger.start})
    parts = [
        "# yaml-language-server: $schema=../core/pipeline_triggers/documents/schema.json\n",
        f"# What account {home.account} had in {home.region}. Review it, deploy it, and remove what it replaces, as\n",
        "# each trigger says: until then both run. Names, groups, roles, retries and dead-letter queues are the\n",
        "# stack's own.\n",
        *(_comment(f"Left out: {reason}") for reason in left_out),
        _dump({"version": 1, "owner": team}),
        f"pipelines: {_dump(pipelines, flow=True)}",
        "triggers:\n",
        *(part for trigger in triggers for part in _trigger(trigger, siblings[trigger.origin])),
    ]
    return "".join(parts)


def _trigger(trigger: ImportedTrigger, siblings: int) -> Iterator[str]:
    """Yield the text of a trigger that is one of so many that its origin became."""
    became = f", which became {siblings} triggers: move all of them first" if siblings > 1 else ""
    yield f"  {trigger.name}:\n"
    for comment in (
        f"Was {trigger.origin}{became}{trigger.removal}",
        *(f"Not carried over: {note}" for note in trigger.notes),
        *(f"Missing: {missing}" for missing in trigger.missing),
    ):
        yield f"    {_comment(comment)}"
    yield textwrap.indent(_dump(trigger.body()), "    ")


def _comment(text: str) -> str:
    """Write a comment of one line, whatever others wrote into it."""
    return f"# {printable(' '.join(text.split()))}\n"


class _Dumper(yaml.SafeDumper):
    """Writes texts in double quotes unless they are plain words, and numbers as JSON does."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write what occurs twice twice."""
        del data
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if is_plain else '"')


_Dumper.add_representer(str, _represent_text)


def _dump(value: Any, *, flow: bool = False) -> str:
    """Write YAML; with ``flow``, between brackets."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=flow,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    # What a terminal would not show is within double quotes, where YAML reads the same escapes.
    return "".join(f"{printable(line)}\n" for line in text.split("\n")[:-1])
