"""``make run``: what it shows, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import PROJECT


@pytest.fixture
def run() -> Iterator[subprocess.Popen[str]]:
    """Run it as ``make run KEEP=1`` does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.localaws.run", "--keep"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    yield process
    process.kill()
    process.wait()


def test_it_shows_what_became_of_each_upload_and_ends_on_ctrl_c(run: subprocess.Popen[str]) -> None:
    """Verdicts, executions and the parameters that they received; then the way in, until Ctrl-C."""
    assert run.stdout
    shown = ""
    for line in run.stdout:
        shown += line
        if line.startswith("sam logs"):
            break
    assert shown.count("verdict    STARTED") == 2
    assert shown.count("verdict    FILTERED") == 1
    assert "           InputDataUrl = s3://acme-raw-dev/churn/2026-10/data.csv\n" in shown
    assert "           Month = März + 100 %\n" in shown
    assert len(re.findall(r"^export AWS_\w+=\S+$", shown, re.MULTILINE)) == 5
    directory = Path(re.findall(r"^export AWS_CA_BUNDLE=(.+)/localaws.crt$", shown, re.MULTILINE)[0])
    assert directory.is_dir()
    run.send_signal(signal.SIGINT)
    assert run.wait(timeout=30) == 130
    assert not directory.exists()


def test_an_execution_that_does_not_appear_fails_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs it in a script learns from the exit code."""
    from tests.localaws import run as module

    monkeypatch.setattr(sys, "argv", ["run"])
    monkeypatch.setattr(module, "definition", lambda *_: '{"Parameters": []}')
    assert module.main() == 1
