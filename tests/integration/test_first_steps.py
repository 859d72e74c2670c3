"""The commands of docs/operations.md that lead from nothing to a deployed stack, run as they are written."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from tests import PROJECT
from tests.localaws.local_aws import LocalAws, pipeline_definition

BASH = shutil.which("bash") or "/bin/bash"

PAGE = PROJECT / "docs" / "operations.md"


def commands() -> list[str]:
    """Return the commands of the numbered list."""
    section = (
        PAGE.read_text(encoding="utf-8").partition("## From nothing to a deployed stack\n")[2].partition("\n## ")[0]
    )
    return re.findall(r"^\d+\. `(.*)`$", section, re.MULTILINE)


def use_environment_of_the_tests(clone: Path) -> None:
    """Let the clone's .venv be the one that runs the tests: to make another takes a minute and a network."""
    (clone / ".venv").mkdir()
    (clone / ".venv" / "bin").symlink_to(PROJECT / ".venv" / "bin")
    (clone / ".venv" / "ready").touch()


def test_the_first_steps_lead_to_a_deployed_stack(aws: LocalAws, tmp_path: Path) -> None:
    """At most ten commands; the last ones start a pipeline and show that they did."""
    cloning, setup, exporting, *rest = commands()
    assert len(rest) <= 7
    aws.create_pipeline("my-pipeline", pipeline_definition({}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {**aws.environment, "REPOSITORY": str(PROJECT), "SAM_CLI_POLL_DELAY": "1"}
    del environment["AWS_DEFAULT_REGION"]  # the third command says which
    assert "cd pipeline-triggers" in cloning
    subprocess.run([BASH, "-ec", cloning], cwd=tmp_path, env=environment, check=True, capture_output=True)
    clone = tmp_path / "pipeline-triggers"
    use_environment_of_the_tests(clone)
    # The engine's credentials are in the environment, instead of in a profile.
    exported = re.sub(r"AWS_PROFILE=\S+ ", "", exporting)
    script = "\n".join([setup, exported, *rest])
    done = subprocess.run(
        [BASH, "-ec", script], cwd=clone, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.quote(script)}\n{done.stdout}\n{done.stderr}"
    assert "STARTED" in done.stdout
    assert len(aws.executions("my-pipeline", 1)) == 1
