"""``make faults``: every fault at every call of batches, then random histories; count what does not hold."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor

from rich.console import Console
from rich.table import Table

from tests.simulation import batch_histories
from tests.simulation.batch_history import History
from tests.simulation.batch_oracle import WRONG, wrong
from tests.simulation.batch_scenarios import HARDEST, MODES, SCENARIOS, Mode, kinds, tried
from tests.simulation.batch_world import FAULTS, KILLS

AT_A_TIME = 25  # histories

Cells = Counter[tuple[str, str]]
Sums = Counter[str]


def of_scenario(name: str, mode: Mode) -> tuple[Sums, Cells]:
    """Try the faults of a scenario."""
    return _counted(tried(name, mode))


def of_seeds(seeds: range) -> tuple[Sums, Cells]:
    """Play random histories."""
    return _counted(map(_checked, seeds))


def _checked(seed: int) -> History:
    history = batch_histories.played(seed)
    history.problems = wrong(history)
    return history


def _counted(histories: Iterable[History]) -> tuple[Sums, Cells]:
    """Count what happened, what came of it, and what does not hold."""
    sums: Sums = Counter()
    cells: Cells = Counter()
    for history in histories:
        sums.update(_sums(history))
        sums.update(history.problems)
        cells.update(history.world.happened)
        if history.problems:
            sums[f"wrong: seed {history.seed} {dict(history.world.planned)} {history.problems}"] += 1
    return sums, cells


def _sums(history: History) -> Sums:
    world = history.world
    ended = Counter(notice.outcome for _, notice in world.log)
    happened = world.happened.items()
    return Counter(
        {
            "histories": 1,
            "… with tokens forgotten": not world.faults.tokens,
            "… with every status event lost": world.faults.event_lost == 1.0,
            "… with listing 8 minutes late": world.faults.lag > 400,
            "calls": sum(world.calls.values()),
            "kills": sum(count for (_, fault), count in happened if fault in KILLS),
            "other faults": sum(count for (_, fault), count in happened if fault not in KILLS),
            "events": len(history.uploads),
            "executions": sum(one.ours for one in world.executions),
            **{f"ended {outcome}": count for outcome, count in ended.items()},
        }
    )


def main() -> int:
    """Print what was tried and what does not hold; the exit code says whether all was tried and all holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=2000, help="how many random histories")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first one")
    options = parser.parse_args()
    last = options.first + options.histories
    seeds = [range(first, min(first + AT_A_TIME, last)) for first in range(options.first, last, AT_A_TIME)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        matrix = [pool.submit(of_scenario, name, mode) for mode in (HARDEST, *MODES[:-1]) for name in SCENARIOS]
        played = [pool.submit(of_seeds, part) for part in seeds]
        sums, cells = _sum(run.result() for run in matrix)
        all_sums, _ = _sum(run.result() for run in played)
    console = Console(highlight=False, width=200)
    empty = show_matrix(console, cells)
    show_sums(console, sums, all_sums)
    return 0 if not empty and sums.keys().isdisjoint(WRONG) and all_sums.keys().isdisjoint(WRONG) else 1


def _sum(results: Iterable[tuple[Sums, Cells]]) -> tuple[Sums, Cells]:
    sums: Sums = Counter()
    cells: Cells = Counter()
    for more_sums, more_cells in results:
        sums.update(more_sums)
        cells.update(more_cells)
    return sums, cells


def show_matrix(console: Console, cells: Cells) -> int:
    """Print how often each fault happened at each call of the scenarios, and return how many cells are empty."""
    table = Table("call", *FAULTS, box=None, pad_edge=False)
    calls = sorted({call for call, _ in cells})
    for call in calls:
        table.add_row(call.replace("TransactWriteItems ", ""), *(str(cells[call, fault] or "") for fault in FAULTS))
    console.print(table)
    empty = sum(not cells[call, fault] for call in calls for fault in kinds(call))
    kills = sum(count for (_, fault), count in cells.items() if fault in KILLS)
    console.print(f"\n{cells.total()} faults, {kills} of them kills; {empty} cells empty\n")
    return empty


def show_sums(console: Console, *sums: Sums) -> None:
    """Print how much happened, what does not hold, and where."""
    table = Table("", "every fault at every call", "random histories", box=None, pad_edge=False)
    names = [name for name in dict.fromkeys(name for one in sums for name in one) if name not in WRONG]
    for name in (*names, *WRONG):
        if not name.startswith("wrong: "):
            table.add_row(name, *(f"{one[name]:,}" for one in sums))
    console.print(table)
    for wrong_one in (name for one in sums for name in one if name.startswith("wrong: ")):
        console.print(wrong_one)


if __name__ == "__main__":
    sys.exit(main())
