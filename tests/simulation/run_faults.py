"""``make faults``: every fault at every call, then random histories; count what is lost, repeated or contradicted."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

from pipeline_triggers.starts.ledger import CLOCK_SKEW, LISTING_BOUND
from rich.console import Console
from rich.table import Table

from tests.simulation import faults, histories
from tests.simulation.delivery_world import At, World
from tests.simulation.faults import CALLS, FAULTS, HARDEST, KILLS, LIMITS, MODES, SCENARIOS, Scenario

AT_A_TIME = 50  # histories

Cells = Counter[tuple[str, str]]
Results = Counter[tuple[str, bool]]


def of_scenario(name: str, mode: faults.Mode) -> tuple[Cells, Results]:
    """Try the faults of a scenario, one by one and at random."""
    return counted(faults.tried(name, mode), SCENARIOS[name])


def of_pair(first: Mapping[At, str]) -> tuple[Cells, Results]:
    """Let a second fault happen at each call that a first one leads to."""
    scenario = replace(Scenario(), faults=first)
    return counted(faults.one_by_one(scenario, HARDEST, most=2), scenario)


def counted(worlds: Iterable[World], scenario: Scenario) -> tuple[Cells, Results]:
    """Count what happened, and what came of it."""
    cells: Cells = Counter()
    results: Results = Counter()
    for world in worlds:
        cells.update(world.happened)
        results[faults.wrong(world, scenario) or "right", world.sagemaker.honours_tokens] += 1
    return cells, results


def main() -> int:
    """Print the matrix of calls and faults, and the sums; the exit code says whether all was tried and all is right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=2000, help="how many random histories")
    number: int = parser.parse_args().histories
    seeds = [range(first, min(first + AT_A_TIME, number)) for first in range(0, number, AT_A_TIME)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        firsts = [world.faults for world in faults.one_by_one(Scenario(), HARDEST, most=2)]
        runs = [pool.submit(of_scenario, name, mode) for name, mode in itertools.product(SCENARIOS, MODES)]
        runs += [pool.submit(of_pair, first) for first in firsts]
        played = [pool.submit(histories.measured, part) for part in seeds]
        cells: Cells = sum((run.result()[0] for run in runs), Counter())
        results: Results = sum((run.result()[1] for run in runs), Counter())
        counts: Counter[str] = sum((part.result() for part in played), Counter())
    console = Console(highlight=False, width=230)
    show_faults(console, cells, results)
    show_histories(console, counts)
    is_right = {result for result, _ in results} == {"right"} and counts["right"] == number
    return 0 if is_right and not faults.empty(cells) else 1


def show_faults(console: Console, cells: Cells, results: Results) -> None:
    """Print what was tried at which call, and what came of it."""
    table = Table("", *FAULTS, *LIMITS, box=None, pad_edge=False)
    for call in CALLS:
        row = (str(cells[call, fault]) if fault in faults.kinds(call) else "" for fault in (*FAULTS, *LIMITS))
        table.add_row(call, *row)
    console.print(table)
    kills = sum(count for (_, fault), count in cells.items() if fault in KILLS)
    console.print(f"\n{cells.total()} faults, {kills} of them kills, in {results.total()} runs;", end=" ")
    console.print(f"{len(faults.empty(cells))} cells empty; executions listed at once, or {LISTING_BOUND} s late\n")
    table = Table("SageMaker's tokens", "honoured", "forgotten at once", box=None, pad_edge=False)
    for result in ("right", *faults.WRONG):
        table.add_row(result, str(results[result, True]), str(results[result, False]))
    console.print(table)


def show_histories(console: Console, counts: Counter[str]) -> None:
    """Print how much happened in the histories, what is wrong, and the seeds of those that are."""
    console.print(
        f"\n{counts['histories']} histories: {counts['events']} events in {counts['messages']} messages, "
        f"{counts['invocations']} invocations, {counts['kills']} of them killed, {counts['mishaps']} mishaps; "
        f"clocks ±{CLOCK_SKEW} s, executions listed up to {LISTING_BOUND} s late\n"
    )
    table = Table("histories", "", box=None, pad_edge=False)
    for result in ("right", *histories.WRONG):
        table.add_row(result, str(counts[result]))
    console.print(table)
    for kind in sorted(kind for kind in counts if kind.startswith("seed ")):
        console.print(kind)


if __name__ == "__main__":
    sys.exit(main())
