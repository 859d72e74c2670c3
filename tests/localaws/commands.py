"""The ``triggers`` command in the tests' own process: to import it anew takes longer than most of what it does."""

from __future__ import annotations

import os
import subprocess
from unittest.mock import patch

from click.testing import CliRunner
from pipeline_triggers.cli import main

from tests.clients import forget_clients
from tests.localaws.local_aws import LocalAws


def triggers(aws: LocalAws, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as ``LocalAws.triggers`` does, with the environment of a new process and nothing remembered."""
    with patch.dict(os.environ, {"PATH": os.environ["PATH"], **aws.environment}, clear=True):
        forget_clients()
        done = CliRunner(mix_stderr=False).invoke(main, arguments)
    forget_clients()
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)
