"""The scripts in the workflows."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests import PROJECT

PIPELINE: dict[str, Any] = yaml.safe_load((PROJECT / ".github/workflows/pipeline.yml").read_text(encoding="utf-8"))

DOCUMENT = """\
version: 1
owner: churn-team
pipelines: [churn-*]
triggers:
  retrain:
    when: {s3: {bucket: raw, key: "in/*.csv"}}
    start: churn-training
    parameters: {Epochs: 20}
    examples:
      - {event: {key: in/data.csv}, starts: churn-training}
      - {event: {key: in/data.txt}, ignored: true}
"""

COMMENT = """\
### Triggers in this pull request

~~~~text
churn/retrain: changed
  when: s3 {"bucket": "raw", "key": "in/*.csv"} → s3 {"bucket": "raw", "key": "in/*"}
  start.churn-training.Epochs: 20 → 30
  example at churn.yaml:10: churn-training.Epochs: 20 → 30
  example at churn.yaml:11: is ignored: the key does not match in/*.csv → starts churn-training
  sample: is ignored: the key does not match in/*.csv → starts churn-training
  former sample: churn-training.Epochs: 20 → 30
triggers: 1 changed
~~~~
"""


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder."""
    user = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *user, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_comment_says_what_a_pull_request_changes(tmp_path: Path) -> None:
    """Which triggers, and which examples come to something else: in the summary, and for the job that comments."""
    documents = tmp_path / "layers" / "triggers"
    documents.mkdir(parents=True)
    (documents / "stages.yaml").write_text("dev:\n", encoding="utf-8")
    (documents / "churn.yaml").write_text(DOCUMENT, encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "before")
    base = git(tmp_path, "rev-parse", "HEAD")
    (documents / "churn.yaml").write_text(DOCUMENT.replace("in/*.csv", "in/*").replace("20", "30"), encoding="utf-8")
    (tmp_path / ".venv").symlink_to(PROJECT / ".venv")
    (script,) = [step["run"] for step in PIPELINE["jobs"]["diff"]["steps"] if step.get("id") == "diff"]
    files = {name: str(tmp_path / name) for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    subprocess.run(["bash", "-e", "-c", script], check=True, cwd=tmp_path, env={**os.environ, **files, "BASE": base})  # noqa: S607
    assert (tmp_path / "GITHUB_STEP_SUMMARY").read_text(encoding="utf-8") == COMMENT
    assert (tmp_path / "GITHUB_OUTPUT").read_text(encoding="utf-8") == f"comment<<{base}\n{COMMENT}{base}\n"


def test_only_the_job_that_comments_can_write_and_it_runs_no_code_of_the_pull_request() -> None:
    """It checks nothing out, and a fork's pull request does not have it."""
    writers = {name for name, job in PIPELINE["jobs"].items() if "pull-requests" in job.get("permissions", {})}
    assert writers == {"comment"}
    job = PIPELINE["jobs"]["comment"]
    assert all("uses" not in step for step in job["steps"])
    assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
