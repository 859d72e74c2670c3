"""The pages of the project: their links lead somewhere, and the commands that they show exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest
from pipeline_triggers.cli import main

from tests import PROJECT
from tests.tools.templates import written

PAGES = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
# What was decided and changed in the past may name what exists no longer.
CURRENT = [page for page in PAGES if page.name not in ("CHANGELOG.md", "decisions.md")]


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(page: Path) -> Iterator[str]:
    """Give the page's code: spans, and the lines of blocks."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    yield from re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A file that exists and, after a #, one of its headings."""
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_make_has_the_targets_that_pages_name(page: Path) -> None:
    """Each `make …` is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {match[1] for line in code(page) if (match := re.match(r"(?:\$ |\w+=\w+ )?make ([a-z-]+)", line))}
    assert named <= targets


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_triggers_has_the_commands_and_options_that_pages_name(page: Path) -> None:
    """Each `triggers …` is a command, and takes the options that stand with it."""
    assert isinstance(main, click.Group)
    for line in code(page):
        if match := re.match(r"(?:\$ |restore {4})?triggers ([a-z-]+)( [a-z]+)?(.*)", line):
            command = main.get_command(click.Context(main), match[1])
            assert command, line
            if isinstance(command, click.Group):
                command = command.get_command(click.Context(command), (match[2] or "list").strip())
                assert command, line
            known = {option for parameter in command.params for option in parameter.opts}
            options = set(re.findall(r"(?<!\S)--[a-z-]+", match[3].partition("#")[0]))
            assert options <= known, line


def test_each_alarm_is_in_the_runbook() -> None:
    """With its cause, where to look and what to do; and the runbook has no alarm that the template lacks."""
    page = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
    _, _, *rows = re.findall(r"^\|.*", page.partition("\n## Alarms\n")[2].partition("\n## ")[0], re.MULTILINE)
    described: list[str] = []
    for row in rows:
        alarms, *cells = (cell.strip() for cell in row.strip("|").split(" | "))
        described += re.findall(r"`(\w+)`", alarms)
        assert len(cells) == 3, row
        assert all(cells), row
    template = written()["Resources"]
    alarms_there = [name for name, one in template.items() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert sorted(described) == sorted(alarms_there)
