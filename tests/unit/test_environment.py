"""What the unit tests keep out of their environment."""

from __future__ import annotations

import os
import subprocess
import sys

from tests import PROJECT


def test_no_unit_test_calls_the_aws_that_the_shell_names() -> None:
    """After the exports of ``make run KEEP=1`` it would create resources there."""
    exported = dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EVENTS"), "http://127.0.0.1:9")
    test = f"{__file__}::{test_the_environment_names_no_aws.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    environment = {**os.environ, **exported, "AWS_PROFILE": "none", "AWS_CA_BUNDLE": "/none"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_environment_names_no_aws() -> None:
    """Neither an endpoint, nor a profile, nor a certificate."""
    names = [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]
    assert [*names, *({"AWS_PROFILE", "AWS_CA_BUNDLE"} & os.environ.keys())] == []
