"""What a command about a deployed stack does first."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline_triggers.cli import main

from tests import PROJECT
from tests.clients import forget_clients

LONGEST = 10  # seconds


@pytest.mark.parametrize("command", [["describe", "churn/nightly"], ["doctor"], ["list", "--stack", "s"]])
def test_commands_end_soon_where_aws_can_not_be_reached(monkeypatch: pytest.MonkeyPatch, command: list[str]) -> None:
    """Instead of after all the retries with which whole accounts are listed."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    forget_clients()
    began = time.monotonic()
    done = CliRunner(mix_stderr=False).invoke(main, [*command, "--documents", str(Path(PROJECT, "layers", "triggers"))])
    forget_clients()
    assert time.monotonic() - began < LONGEST
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: the request to AWS failed: Could not connect to the endpoint URL")
