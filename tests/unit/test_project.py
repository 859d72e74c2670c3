"""The project's own files: what they promise to each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))


def test_the_commit_hooks_are_the_commands_of_make_check() -> None:
    """Neither knows a check that the other lacks."""
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    checks = dict(re.findall(r"^(check-\w+): ; @(.*)$", makefile, re.MULTILINE))
    (listed,) = re.findall(r"^CHECKS := (.*)$", makefile, re.MULTILINE)
    assert set(listed.split()) == checks.keys()
    commands = {command.replace("$(BIN)", ".venv/bin") for command in checks.values()}
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {hook["entry"] for hook in config["repos"][0]["hooks"]} == commands


def test_actions_are_pinned_by_commit() -> None:
    """A tag can be moved to other code; each pin names its version for the reader."""
    used = [use for path in WORKFLOWS for use in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8"))]
    foreign = [use for use in used if not use.startswith("./")]
    assert foreign
    for use in foreign:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use


def test_setup_refuses_a_python_that_is_too_old(tmp_path: Path) -> None:
    """It says which version is required, instead of pip about some dependency."""
    old = tmp_path / "python3.10"
    old.write_text('#!/bin/sh\ncase "$2" in *version_info*) exit 1;; esac\nexit 0\n', encoding="utf-8")
    old.chmod(0o755)
    for name in ("Makefile", "requirements-dev.txt"):
        shutil.copy(PROJECT / name, tmp_path)
    make = shutil.which("make")
    assert make
    done = subprocess.run([make, "setup", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"PYTHON={old} does not work: Python 3.11 or newer with its venv module is required" in done.stderr
    assert not (tmp_path / ".venv").exists()


POISONED = """
on: pull_request_target
jobs:
  check:
    runs-on: ubuntu-24.04
    permissions: write-all
    steps:
      - uses: actions/checkout@v7
      - run: echo ${{ github.event.pull_request.title }}
"""


def test_workflows_that_a_pull_request_can_abuse_are_found(tmp_path: Path) -> None:
    """A trigger with secrets for foreign code, every permission, an action that can be moved, an injected command."""
    workflows = tmp_path / ".github" / "workflows"
    workflows.mkdir(parents=True)
    (workflows / "poisoned.yml").write_text(POISONED, encoding="utf-8")
    (command,) = re.findall(r"^check-workflows: ; @\$\(BIN\)/(.*)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    zizmor, *arguments = command.split()
    checked = subprocess.run(
        [str(Path(sys.executable).parent / zizmor), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode
    for audit in ("dangerous-triggers", "excessive-permissions", "unpinned-uses", "template-injection"):
        assert f"[{audit}]" in checked.stdout


def test_no_workflow_has_permissions_that_no_job_asked_for() -> None:
    """Each workflow begins with none, so that a job without its own gets none."""
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {}, path.name
        for name, job in workflow["jobs"].items():
            if name == "comment":  # it runs no code of the repository
                assert job["permissions"] == {"pull-requests": "write"}
                continue
            assert job["permissions"].keys() <= {"contents", "id-token"}, name
            assert job["permissions"]["contents"] == "read"
