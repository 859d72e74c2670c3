"""What simulations share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def one_processor() -> Iterator[None]:
    """Threads that take turns, call by call, lose time when they change processors: each worker keeps to one."""
    if not hasattr(os, "sched_setaffinity"):  # as on macOS
        yield
        return
    processors = os.sched_getaffinity(0)
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {sorted(processors)[number % len(processors)]})
    yield
    os.sched_setaffinity(0, processors)
