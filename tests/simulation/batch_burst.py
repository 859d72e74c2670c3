"""``python -m tests.simulation.batch_burst --uploads N``: N uploads at once, the calls they take, the manifests."""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time

from pipeline_triggers.batches import items
from pipeline_triggers.batches.models import Rules, Target
from rich.console import Console

from tests.simulation.batch_history import History, SimDocuments, Trigger, Upload
from tests.simulation.batch_oracle import wrong
from tests.simulation.batch_world import START_OF_TIME, Faults, Queue, World

DYNAMODB = ("batch_get_item", "transact_write_items", "get_item", "query")


def played(uploads: int, max_events: int, concurrency: int, conflict: float) -> History:
    """Upload all at once, and let the functions and the sweep run until the executions have started."""
    random.seed(1)
    world = World(1, Faults(conflict=conflict))
    trigger = Trigger("t/burst", (Target("free"),), Rules(300, 3600, max_events))
    history = History(1, world, SimDocuments({trigger.name: trigger}, {}), deployed={trigger.name: trigger})
    world.queues = {
        "events": Queue(world, history.deliver, concurrency, 10, 120, 720, fewest=10),
        "batches": Queue(world, history.on_batch, 2, 1, 300, 1800),
    }
    for number in range(uploads):
        upload = Upload(trigger.name, f"day/part-{number:06d}")
        history.uploads.append(upload)
        world.queues["events"].send(upload)
    while len(history.verdicts) < uploads or any(True for _ in world.table.items("open")):
        history.sweep()
        world.run(world.now + 60)
    world.run(world.now + 600)
    world.close()
    return history


def main(arguments: list[str]) -> int:
    """Print what it took; the exit code says whether all is in exactly one manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=10_000)
    parser.add_argument("--max-events", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=2)
    parser.add_argument("--conflict", type=float, default=0.2, help="how likely a transaction meets another one")
    asked = parser.parse_args(arguments)
    began = time.process_time()
    history = played(asked.uploads, asked.max_events, asked.concurrency, asked.conflict)
    world = history.world
    batches = [items.batch(item) for item in world.table.items("batch#") if item["sk"] == "batch"]
    keys = [len(json.loads(world.objects[one.parameters["Manifest"]])) - 1 for one in world.executions]
    calls = sum(world.calls[name] for name in DYNAMODB)
    problems = wrong(history)
    console = Console(highlight=False)
    console.print(f"{asked.uploads:,} uploads → {len(batches)} batches, {len(world.executions)} executions")
    console.print(f"keys in their manifests: {', '.join(f'{count:,}' for count in sorted(keys))}")
    console.print(f"{calls:,} calls of DynamoDB, {calls / asked.uploads:.2f} per event; {dict(world.calls)}")
    console.print(f"{(world.now - START_OF_TIME) / 60:.0f} simulated minutes, {asked.conflict:.0%} conflicts")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"{time.process_time() - began:.1f} s of CPU, {memory:.0f} MB, the simulated AWS included")
    console.print(f"{len(problems)} violations {problems or ''}")
    return 0 if sum(keys) == asked.uploads and not problems else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
