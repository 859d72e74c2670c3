"""``python -m tests.simulation.batch_faults --histories N``: play histories of batches, count what does not hold."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.simulation.batch_histories import History, played, wrong


def main(arguments: list[str]) -> int:
    """Play the histories, print the figures; the exit code says whether all of them are right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--histories", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="the seed of the first history")
    parser.add_argument("--until-wrong", action="store_true", help="stop at the first wrong history")
    asked = parser.parse_args(arguments)
    sums: Counter[str] = Counter()
    faults: Counter[tuple[str, str]] = Counter()
    problems: dict[str, list[int]] = {}
    began = time.monotonic()
    for seed in range(asked.first, asked.first + asked.histories):
        history = played(seed)
        sums.update(_sums(history))
        faults.update(history.world.happened)
        for problem in wrong(history):
            problems.setdefault(problem, []).append(seed)
        if problems and asked.until_wrong:
            break
    _show(sums, faults, problems, time.monotonic() - began)
    return 1 if problems else 0


def _sums(history: History) -> Counter[str]:
    world = history.world
    batches = [item for item in world.table.items("batch#") if item["sk"] == "batch"]
    outcomes = [end["outcome"] for batch in batches for end in batch["ends"].values()]
    return Counter(
        {
            "histories": 1,
            "… with tokens forgotten": not world.faults.tokens,
            "… with every status event lost": world.faults.event_lost == 1.0,
            "… with listing up to 8 minutes late": world.faults.lag > 400,
            "calls": sum(world.calls.values()),
            "kills": sum(count for (_, fault), count in world.happened.items() if fault.startswith("killed")),
            "other faults": sum(
                count for (_, fault), count in world.happened.items() if not fault.startswith("killed")
            ),
            "events": len(history.uploads),
            "batches": len(batches),
            "executions of ours": sum(one.ours for one in world.executions),
            "MISSED": sum(notice.outcome == "MISSED" for _, notice in world.log),
            **{f"ended {outcome}": count for outcome, count in Counter(outcomes).items()},
        }
    )


def _show(sums: Counter[str], faults: Counter[tuple[str, str]], problems: dict[str, list[int]], took: float) -> None:
    console = Console(highlight=False, width=120)
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    for name, count in sums.items():
        table.add_row(name, f"{count:,}")
    table.add_row("seconds", f"{took:.0f}")
    console.print(table)
    kinds = sorted({fault for _, fault in faults})
    matrix = Table("", *kinds, box=None, pad_edge=False)
    for call in sorted({call for call, _ in faults}):
        matrix.add_row(call, *(str(faults[call, kind] or "") for kind in kinds))
    console.print(matrix)
    for problem, seeds in sorted(problems.items()):
        console.print(f"{len(seeds)} histories: {problem} (seeds {', '.join(map(str, seeds[:5]))})")
    console.print(f"{sum(map(len, problems.values()))} violations")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
