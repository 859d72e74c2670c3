"""``make burst``: many uploads at once become few executions; count the calls, the write units, the time, the memory.

The functions are the stack's own, in the world of ``batch_world``. Conflicts of transactions and what a call takes are
assumptions.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import time
from collections.abc import Mapping
from typing import Any

from pipeline_triggers.batches.pauses import resume
from pipeline_triggers.models import Collect
from rich.console import Console

from tests.simulation.batch_history import BY, DAY, PLAIN, WAIT, History, Upload, trigger, with_queues
from tests.simulation.batch_oracle import wrong
from tests.simulation.batch_scenarios import begun, files, pause
from tests.simulation.batch_world import START_OF_TIME, Faults, World

DYNAMODB = ("BatchGetItem", "TransactWriteItems", "GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")
JOINS = ("BatchGetItem", "TransactWriteItems Put open", "TransactWriteItems Update open, Put event")
MEGABYTE = 1024  # of what getrusage counts


class Measured(World):
    """A world that adds up the write units of DynamoDB."""

    units = 0

    def _answer(self, operation: str, parameters: dict[str, Any]) -> Any:
        answer = super()._answer(operation, parameters)
        for change in parameters.get("TransactItems", ()):
            ((_, call),) = change.items()
            self.units += 2 * _units(call.get("Item") or call)
        if operation in ("PutItem", "UpdateItem", "DeleteItem"):
            self.units += 1
        return answer


def _units(item: Mapping[str, Any]) -> int:
    """Return the write units of an item, as many as it has kilobytes."""
    return math.ceil(len(json.dumps(item, default=str)) / 1024)


def played(uploads: int, max_events: int, concurrency: int, conflict: float) -> tuple[History, Measured]:
    """Upload all at once, and let the functions and the sweep run until the executions have started."""
    world = Measured(1, Faults(conflict=conflict))
    one = trigger(PLAIN, "free", collect=Collect(BY, max_events=max_events), max_starts=uploads)
    history = with_queues(History(1, world, {one.id: one}), concurrency, fewest=10)
    history.deploy(history.deployed, {})
    with world.installed():
        for number in range(uploads):
            history.upload(0, Upload(PLAIN, f"day/part/{number:06d}"))
        world.run(world.now + 1)
        while world.queues["events"].messages or any(True for _ in world.table.items("open")):
            history.sweep()
            world.run(world.now + 60)
        world.run(world.now + 600)
        history.problems = wrong(history)
    return history, world


def paused_for_ten_days(events: int) -> History:
    """Pause all for ten days in which events come, half of them collected, and let them start when it is resumed."""
    most = events // 5
    collected = trigger(PLAIN, "other", collect=Collect(BY, quiet=60, max_open=600, max_events=most))
    history = begun(trigger(WAIT, "free", max_starts=events), collected)
    with history.world.installed():
        history.by_hand(pause(history, "all", "", 10 * DAY))
        history.sweep_until(START_OF_TIME + 60)
        for name in (WAIT, PLAIN):
            for moment, upload in files(name, *(60 + number * 18 * DAY / events for number in range(events // 2))):
                history.upload(moment, upload)
        history.sweep_until(START_OF_TIME + 10 * DAY, pace=3600)
        history.problems = ["started while paused"] if history.world.executions else []
        history.by_hand(lambda services: resume("all", "", services.records))
        history.sweep_until(START_OF_TIME + 10 * DAY + 3600)
        history.problems += wrong(history)
    started = [one.parameters["Key"] for one in history.world.executions if one.pipeline == "free"]
    if started != [upload.key for upload in history.uploads if upload.trigger == WAIT]:
        history.problems.append("not each in its order")
    return history


def main(arguments: list[str]) -> int:
    """Print what it took; the exit code says whether all is in exactly one manifest, by few enough calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--max-events", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=2, help="of the function of uploads")
    parser.add_argument("--conflict", type=float, default=0.2, help="how likely a transaction meets another one")
    parser.add_argument("--paused", type=int, default=5000, help="events that come during a pause")
    options = parser.parse_args(arguments)
    began = time.process_time()
    history, world = played(options.uploads, options.max_events, options.concurrency, options.conflict)
    keys = sorted(len(json.loads(world.objects[one.parameters["Manifest"]])) - 1 for one in world.executions)
    calls = sum(count for name, count in world.calls.items() if name.startswith(DYNAMODB))
    joins = sum(count for name, count in world.calls.items() if name.startswith(JOINS))
    console = Console(highlight=False, width=120)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE
    lines = (
        f"{options.uploads:,} uploads → {len(world.executions)} executions, {options.conflict:.0%} conflicts",
        f"keys in their manifests: {', '.join(f'{count:,}' for count in keys)}",
        f"{calls:,} calls of DynamoDB, {calls / options.uploads:.2f} per event, {world.units:,} write units",
        f"{joins:,} of the calls join events, {joins / options.uploads:.2f} per event",
        f"{(world.now - START_OF_TIME) / 60:.0f} simulated minutes, {time.process_time() - began:.0f} s of CPU",
        f"{memory:.0f} MB for the functions and the simulated AWS",
        *(
            f"{name}: {queue.invocations:,} invocations, the longest {queue.longest:.0f} simulated seconds"
            f" and {queue.longest_cpu:.1f} s of CPU"
            for name, queue in world.queues.items()
        ),
        f"{len(history.problems)} violations {history.problems or ''}",
    )
    for line in lines:
        console.print(line)
    problems = history.problems
    if options.paused:
        paused = paused_for_ten_days(options.paused)
        starts = len(paused.world.executions)
        console.print(f"{options.paused:,} events in a pause of ten days → {starts:,} executions, in order;", end=" ")
        console.print(f"{len(paused.problems)} violations {paused.problems or ''}")
        problems = [*problems, *paused.problems]
    right = sum(keys) == options.uploads and len(keys) == math.ceil(options.uploads / options.max_events)
    return 0 if right and calls <= 2 * options.uploads and not problems else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
