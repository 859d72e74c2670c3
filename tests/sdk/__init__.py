"""The real SageMaker Python SDK, in an environment of its own: what people who move in have used so far."""

from __future__ import annotations

import os
import subprocess

from tests import PROJECT
from tests.localaws.local_aws import LocalAws

_ENVIRONMENT = PROJECT / ".venv-sdk"


class ScriptFailed(Exception):
    """A script raised an error; the message is what it printed."""


def run(script: str, aws: LocalAws) -> str:
    """Run a script that imports ``sagemaker`` against the embedded AWS, and return the last line that it printed.

    The SDK prints what it does before it.

    Raises:
        ScriptFailed: it ended with an error, or the SDK is not installed.

    """
    if not (_ENVIRONMENT / "ready").exists():
        raise ScriptFailed("the SageMaker SDK is not installed; run: make .venv-sdk/ready")
    done = subprocess.run(
        [str(_ENVIRONMENT / "bin" / "python"), "-c", script],
        env={
            **aws.environment,
            "PATH": os.environ["PATH"],
            "HOME": str(aws.directory),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "SAGEMAKER_USER_CONFIG_OVERRIDE": str(PROJECT / "tests" / "sdk" / "config.yaml"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ScriptFailed(done.stderr)
    return done.stdout.splitlines()[-1] if done.stdout else ""
