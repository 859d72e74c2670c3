"""The embedded AWS's process: loopback only, and nothing left behind, however it ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests import PROJECT
from tests.localaws import HOST

# Parents that start an embedded AWS, say where, and are killed while they wait or while sam works for them.
IDLE = """
import time
from tests.localaws.local_aws import LocalAws
with LocalAws.running() as aws:
    aws.client("s3").list_buckets()
    print(aws.directory, aws.port, flush=True)
    time.sleep(600)
"""
BUILDING = """
import shutil

from tests.localaws.local_aws import LocalAws
from tests.localaws.project import Project
with LocalAws.running() as aws:
    project = Project.copied_to(aws.directory / "copy")
    print(aws.directory, aws.port, flush=True)
    while True:
        project.compile()
        aws.build("again", project.path)
        shutil.rmtree(project.path / ".aws-sam")
"""


@contextmanager
def parent(doing: str = IDLE) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """Run a parent; give its process, and the directory and port of its embedded AWS."""
    # A shell's background job ignores Ctrl-C, and so would what it starts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-c", doing], cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    signal.signal(signal.SIGINT, before)
    assert process.stdout
    try:
        directory, port = process.stdout.readline().split()
        yield process, Path(directory), int(port)
    finally:
        process.kill()
        process.wait()


def comes_true(condition: Callable[[], bool]) -> bool:
    """Wait for a condition that takes a moment to hold."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def is_open(port: int) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def processes_of(directory: Path) -> list[psutil.Process]:
    """Return the processes that name the directory in their command line: the engine and its functions."""
    everything = psutil.process_iter(["cmdline"])
    return [process for process in everything if str(directory) in " ".join(process.info["cmdline"] or [])]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent_and_leaves_nothing(ending: signal.Signals) -> None:
    """On Ctrl-C, and when its parent is killed: no process, no port, no file."""
    with parent() as (process, directory, port):
        assert is_open(port)
        assert processes_of(directory)
        process.send_signal(ending)
        assert comes_true(lambda: not is_open(port))
        assert comes_true(lambda: not directory.exists())
        assert comes_true(lambda: not processes_of(directory))


def test_what_works_for_a_parent_ends_with_it() -> None:
    """A sam that builds for a killed parent is killed too, and what it wrote is gone."""
    with parent(BUILDING) as (process, directory, port):
        assert comes_true(lambda: any(directory.glob("copy/.aws-sam/*")))
        process.kill()
        assert comes_true(lambda: not is_open(port))
        assert comes_true(lambda: not processes_of(directory))
        assert comes_true(lambda: not directory.exists())


def test_a_parent_that_is_gone_before_the_start_leaves_nothing(tmp_path: Path) -> None:
    """The engine then has nobody to report its port to."""
    directory = tmp_path / "localaws"
    directory.mkdir()
    engine = subprocess.Popen(
        [sys.executable, "-m", "tests.localaws.engine", str(directory)],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert engine.stdin
    assert engine.stdout
    engine.stdin.close()
    engine.stdout.close()
    engine.wait(timeout=120)
    assert not directory.exists()


def test_it_listens_on_loopback_only() -> None:
    """One port on 127.0.0.1, and no other."""
    with parent() as (_, directory, port):
        (engine,) = processes_of(directory)
        connections = engine.net_connections(kind="inet")
        assert [found.laddr for found in connections if found.status == psutil.CONN_LISTEN] == [(HOST, port)]
