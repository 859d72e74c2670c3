"""What the commands print: nothing that others wrote reaches the terminal raw, and nothing is broken or cut."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers import cli
from pipeline_triggers.cli import COMMANDS, main, output
from pipeline_triggers.errors import Problem

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/churn-training/execution/u6m0hbf4ttq2-{}"

HOSTILE = st.text(st.characters() | st.sampled_from("\x00\x07\x1b\x7f\x85\x9b\u2028\u202e\r\t\ud800\n"), min_size=1)


def is_safe(text: str) -> bool:
    """Whether a terminal shows a text and does nothing else."""
    return all(character == "\n" or character.isprintable() for character in text)


PRINTED: list[Callable[[str], object]] = [
    output.line,
    output.note,
    lambda text: output.aside(text, text),
    lambda text: output.labelled(text, text, text),
    lambda text: output.data([{text: text}]),
    lambda text: output.table(("one", "two"), [(text, text)]),
    lambda text: output.Failed(text).show(),
    lambda text: output.FoundProblems([Problem(text, 1, text, text)]).show(),
    lambda text: output.usage_error(text).show(),
]


@pytest.mark.parametrize("show", PRINTED)
@given(text=HOSTILE)
def test_nothing_reaches_the_terminal_raw(show: Callable[[str], object], text: str) -> None:
    """Whatever a publisher, another user or AWS wrote; what was safe stays as it was."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        show(text)
    assert is_safe(out.getvalue() + err.getvalue())


def test_lines_of_others_do_not_become_lines_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """A reason with a line break could look like another verdict."""
    output.line("REJECTED a\nSTARTED b")
    assert capsys.readouterr().out == "REJECTED a\\nSTARTED b\n"


def test_only_one_module_prints() -> None:
    """All others go through it, also those to come."""
    for path in Path(cli.__file__).parent.glob("*.py"):
        if path.name == "output.py":
            continue
        names = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        names |= {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        assert not names & {"echo", "secho", "print", "Console", "ClickException", "UsageError"}, path.name


class Terminal(io.StringIO):
    """A terminal's screen."""

    def isatty(self) -> bool:
        """Return that it is one."""
        return True


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_table_breaks_no_word(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """An ARN can be copied from any terminal, and a long reason is wrapped between words as far as there is room."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    reason = "the request's parameter may not be set; " * 6
    output.table(("trigger", "execution", "reason"), [("churn/x", ARN.format(number), reason) for number in range(3)])
    shown = screen.getvalue()
    assert shown.split()[:3] == ["trigger", "execution", "reason"]
    assert not shown.startswith("\n")
    assert all(shown.count(ARN.format(number)) == 1 for number in range(3))
    assert set(shown.split()) == {"trigger", "execution", "reason", "churn/x", *reason.split()} | {
        ARN.format(number) for number in range(3)
    }


def test_a_table_fits_a_terminal_when_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last column takes what is left."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    output.table(("trigger", "reason"), [("churn/retrain-on-upload", "word " * 40)])
    assert max(map(len, screen.getvalue().splitlines())) <= 80


def test_columns_that_do_not_fit_go_below(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal would else break their words, and the headings."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    row = ["schedule default/left-behind-of-a-team-with-a-long-name", "gone-pipeline-of-the-team", "orphan", "unknown"]
    output.table(("what", "pipeline", "outcome", "since", "why"), [(*row, "its pipeline is gone")])
    assert screen.getvalue().splitlines() == [
        "what",
        "    pipeline                   outcome  since    why",
        "schedule default/left-behind-of-a-team-with-a-long-name",
        "    gone-pipeline-of-the-team  orphan   unknown  its pipeline is gone",
    ]


def test_labelled_lines_are_wrapped_beside_their_label(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between words, so that what follows the label stays in its column, and an ARN in one piece."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    output.labelled("verdicts", f"STARTED train {ARN}", "FILTERED the key does not match in/*")
    assert screen.getvalue().splitlines() == [
        "verdicts      STARTED train",
        f"              {ARN}",
        "              FILTERED the key does not",
        "              match in/*",
    ]


def test_a_table_in_a_pipe_is_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each row, for grep."""
    output.table(("trigger", "reason"), [("churn/x", "word " * 100)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_help_lists_every_command_with_its_whole_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 columns, too."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    for name, (_, summary) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", shown, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(name: str) -> None:
    """And is where the table says."""
    shown = CliRunner().invoke(main, [name, "--help"])
    assert shown.exit_code == 0
    assert f"Usage: main {name}" in shown.output


def test_an_unknown_command_is_an_error() -> None:
    """Of the command line."""
    assert CliRunner().invoke(main, ["chekc"]).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "without"), [(["--help"], {"boto3", "jsonschema", "rich"}), (["list"], {"boto3"})]
)
def test_a_command_imports_only_what_it_needs(arguments: list[str], without: set[str], tmp_path: Path) -> None:
    """The help is there at once."""
    (tmp_path / "layers" / "triggers").mkdir(parents=True)
    (tmp_path / "layers" / "triggers" / "stages.yaml").write_text("dev:\n")
    code = f"""
import json, sys
from pipeline_triggers.cli import main
try:
    main({arguments!r}, prog_name="triggers")
except SystemExit:
    print(json.dumps([name for name in sys.modules]), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stderr.splitlines()[-1])) & without


def test_the_shell_completes_triggers(tmp_path: Path) -> None:
    """From the documents; where there are none, it offers none and does not fail."""
    folder = tmp_path / "layers" / "triggers"
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", "from pipeline_triggers.cli import main; main(prog_name='triggers')"]

    def complete(words: str) -> list[str]:
        environment = {**os.environ, "_TRIGGERS_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "2"}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return [line.partition(",")[2] for line in done.stdout.splitlines() if line]

    assert complete("triggers run ") == []
    (folder / "stages.yaml").write_text("dev:\n")
    triggers = "".join(f"  {name}: {{when: {{s3: {{bucket: raw}}}}, start: train}}\n" for name in ("one", "two"))
    (folder / "team.yaml").write_text(f"version: 1\nowner: team\npipelines: [train]\ntriggers:\n{triggers}")
    assert complete("triggers run ") == ["team/one", "team/two"]
    assert complete("triggers describe team/t") == ["team/two"]
