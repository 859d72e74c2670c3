"""Loops of pipelines: refused before anything is deployed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_triggers.documents import loader, loops
from pipeline_triggers.errors import DocumentsError


def load(tmp_path: Path, *triggers: tuple[str, str]) -> list[str]:
    """Load triggers of (the pipeline that ended, what it starts), and return what is wrong with them."""
    (tmp_path / "stages.yaml").write_text("dev: {Name: b}\nprod: {Name: c}\n")
    text = "version: 1\nowner: t\npipelines: ['*']\ntriggers:\n"
    for at, (ended, starts) in enumerate(triggers):
        text += f"  t{at}:\n    when: {{pipeline: {{name: '{ended}', status: Succeeded}}}}\n    start: '{starts}'\n"
    (tmp_path / "team.yaml").write_text(text)
    try:
        loader.load(tmp_path)
    except DocumentsError as error:
        return [str(problem).partition("team.yaml:")[2] for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("triggers", "problem"),
    [
        (
            [("a", "a")],
            "7: triggers.t0.start: would run forever: a → a",
        ),
        (
            [("A", "a")],
            "7: triggers.t0.start: would run forever: a → a",
        ),
        (
            [("a-*", "a-b")],
            "7: triggers.t0.start: would run forever: a-b → a-b",
        ),
        (
            [("${Name}", "b")],
            "7: triggers.t0.start: would run forever: b → b",
        ),
    ],
)
def test_a_pipeline_that_starts_itself_is_refused(
    tmp_path: Path, triggers: list[tuple[str, str]], problem: str
) -> None:
    """However its name is spelt, and if it is so in one stage only."""
    assert load(tmp_path, *triggers) == [f"{problem}; {loops.REMEDY}"]


def test_a_way_round_over_several_pipelines_is_refused(tmp_path: Path) -> None:
    """The message names the way round."""
    (problem,) = load(tmp_path, ("a", "b"), ("b", "c"), ("c", "a"))
    assert "would run forever: " in problem
    assert problem.count("→") == 3


def test_a_disabled_trigger_closes_no_loop(tmp_path: Path) -> None:
    """It starts nothing."""
    assert load(tmp_path, ("a", "b"), ("b", "a'\n    enabled: 'false")) == []


def test_a_chain_is_not_a_loop(tmp_path: Path) -> None:
    """Nor are two ways to one pipeline."""
    assert load(tmp_path, ("a", "b"), ("b", "c"), ("a", "c"), ("z-*", "a")) == []
