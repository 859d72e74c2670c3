"""``make guards``: take each guard out of the code, one at a time, and see that a test notices.

A guard is taken out of a module while it is imported, never in the working tree, and only the tests that are named with
it run, in a process of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from rich.console import Console
from rich.table import Table

from tests import PROJECT
from tests.simulation.guards import GUARDS

# The environment variable that names the guard for the plugin.
VARIABLE = "GUARD"

# What the tests import besides the library: imported once, for all processes.
PRELOADED = ["boto3", "hypothesis", "moto", "pytest", "rich.console", "samcli.yamlhelper"]


class FirstFailure:
    """A pytest plugin that remembers which test failed first."""

    def __init__(self) -> None:
        self.test = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Look at how a test ended."""
        if report.failed and not self.test:
            self.test = report.nodeid


def run(guard: str, tests: tuple[str, ...]) -> tuple[int, str]:
    """Run tests without a guard ("": with all of them); return how pytest ends, and the first test that failed."""
    import pytest

    os.chdir(PROJECT)
    options = ["-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    if guard:
        os.environ[VARIABLE] = guard
        options += ["-p", "tests.simulation.guard_plugin"]
    failure = FirstFailure()
    with contextlib.redirect_stdout(io.StringIO()):
        end = pytest.main([*options, *tests], plugins=[failure])
    return int(end), failure.test


def main() -> int:
    """Print each guard and which test noticed that it was gone; the exit code says whether all were noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="try only the guards whose names contain this")
    part = parser.parse_args().part
    guards = [guard for guard in GUARDS if part in guard.name]
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(PRELOADED)
    rows = Table("guard", "module", "without it fails", box=None, pad_edge=False)
    noticed = 0
    with ProcessPoolExecutor(os.cpu_count(), processes, max_tasks_per_child=1) as pool:
        whole = pool.submit(run, "", tuple(sorted({test for guard in guards for test in guard.tests})))
        for guard, future in [(guard, pool.submit(run, guard.name, guard.tests)) for guard in guards]:
            end, test = future.result()
            noticed += bool(test)
            rows.add_row(guard.name, guard.module, test or f"NOTHING (pytest ended with {end})")
        end, test = whole.result()
    console = Console(highlight=False, width=200)
    console.print(rows)
    console.print(f"\n{noticed} of {len(guards)} noticed; with all of them the tests", end=" ")
    console.print("pass" if end == 0 else f"do NOT pass: {test or f'pytest ended with {end}'}")
    return 0 if noticed == len(guards) and end == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
