"""Random histories of batches: what is uploaded, said and deployed, and the faults, by seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from pipeline_triggers.batches import commands, pauses
from pipeline_triggers.batches.decision import TIME_OUT
from pipeline_triggers.batches.models import Late, Pause, Rules, Target
from pipeline_triggers.batches.services import Services
from pipeline_triggers.models import Limits

from tests.simulation.batch_history import (
    ALL,
    DAY,
    DRY,
    FREE,
    IGNORE,
    JOIN,
    NEW,
    PLAIN,
    SKIP,
    TROUBLE,
    TWO,
    WAIT,
    History,
    SimDocuments,
    Trigger,
    Upload,
    set_pause,
    waiting,
)
from tests.simulation.batch_world import START_OF_TIME, Faults, Queue, World, iso

REGIONS = ("amer", "apac", "emea")


def _triggers(chance: random.Random) -> dict[str, Trigger]:
    one, other, free = Target("one"), Target("other"), Target("free")
    counts: list[tuple[str, ...] | int] = [REGIONS, REGIONS, len(REGIONS), 2]
    expect = chance.choice(counts)
    plain = Rules(chance.choice([60, 90, 300]), chance.choice([120, 600]), chance.choice([2, 3, 7, 1000]))
    join = Rules(expect=expect, deadline_after=chance.choice([900, 3600]))
    join = replace(join, start_incomplete=chance.random() < 0.3)
    by_cron = replace(join, deadline_after=None)
    limited = chance.choice([one, other])
    every = (
        Trigger(PLAIN, (limited,), plain, only_if=chance.random() < 0.15),
        Trigger(TWO, (one, other, Target("one", 1))[: chance.randint(2, 3)], plain),
        Trigger(JOIN, (limited,), by_cron, due_at=chance.randrange(1200, 4000)),
        Trigger(ALL, (limited,), replace(join, expect=("a", "b", "c", "d"), late=Late.NEW)),
        Trigger(NEW, (free,), replace(by_cron, late=Late.NEW), due_at=chance.randrange(1200, 4000)),
        Trigger(IGNORE, (limited,), replace(join, late=Late.IGNORE)),
        Trigger(WAIT, (limited,)),
        Trigger(SKIP, (one,), skip=True),
        Trigger(DRY, (limited,), replace(plain, dry_run=True)),
        Trigger(FREE, (free,)),
    )
    chosen = chance.sample(every, chance.randint(1, 4))
    return {trigger.name: trigger for trigger in chosen}


def _limits(chance: random.Random) -> dict[str, Limits]:
    return {
        "one": Limits(max_running=chance.choice([1, 1, 2, 3])),
        "other": Limits(
            max_running=chance.choice([None, 1]),
            min_interval=chance.choice([None, 600]),
            max_per_day=chance.choice([None, None, 6, 10]),
        ),
    }


def _faults(chance: random.Random) -> Faults:
    rate = chance.choice([0.0, 0.002, 0.01, 0.03])
    return Faults(
        kill=rate,
        conflict=chance.choice([0.0, 0.02, 0.2]),
        throttle=chance.choice([0.0, 0.01, 0.2]),
        no_answer=chance.choice([rate / 3, rate, 0.2]),
        slow=chance.choice([0.0, 0.0, 0.02]),
        duplicate=chance.choice([0.0, 0.1, 0.3]),
        event_lost=chance.choice([0.0, 0.5, 1.0]),
        tokens=chance.random() < 0.5,
        lag=chance.choice([0.0, 60.0, 479.0]),
    )


def _uploads(chance: random.Random, triggers: Mapping[str, Trigger]) -> Iterator[tuple[float, Upload]]:
    """Yield what is uploaded, and when: alone, in bursts, some of it twice, some keys again with other content."""
    storm = chance.random() < 0.25
    for name in triggers:
        for number in range(chance.randint(10, 40) if storm else chance.randint(2, 14)):
            moment = (
                chance.uniform(0, 3)
                if storm
                else chance.choice(
                    [chance.uniform(0, TROUBLE), chance.uniform(0, 400), float(chance.randrange(4) * 900)]
                )
            )
            by = chance.choice(["d0", "d0", "d1", "d1", "d-bad"] if chance.random() < 0.1 else ["d0", "d0", "d1"])
            part = chance.choice("abcd" if name == ALL else REGIONS)
            again = number and chance.random() < 0.15
            key = f"{by}/{part}/{0 if again else number}"
            yield moment, Upload(name, key, f"{number + 1:02x}", by, part)


def played(seed: int) -> History:
    """Play one history to its end."""
    random.seed(seed)
    chance = random.Random(seed)  # noqa: S311 - the same history every time
    triggers, limits = _triggers(chance), _limits(chance)
    world = World(seed, _faults(chance))
    world.limits = limits
    world.max_starts = {name: chance.choice([1, 3, 100, 100]) for name in triggers}
    history = History(seed, world, SimDocuments(triggers, limits), deployed=triggers)
    writers = 6 if ALL in triggers else chance.choice([1, 2, 3, 6])
    world.queues = {
        "events": Queue(world, history.deliver, writers, 10, 120, 720),
        "batches": Queue(world, history.on_batch, chance.choice([2, 2, 3]), chance.choice([1, 3, 10]), TIME_OUT, 1800),
    }
    _schedule(history, chance)
    history.settle()
    if seed % 3 == 0:
        history.redeliver(20 * DAY)
    world.close()
    return history


def _schedule(history: History, chance: random.Random) -> None:
    world = history.world
    for after, upload in _uploads(chance, history.documents.triggers):
        history.upload(after, upload, copies=1 + (chance.random() < 0.1))
    for minute in range(1, 1 + TROUBLE // 60):
        world.at(START_OF_TIME + 60 * minute + chance.uniform(0, 3), history.sweep)
    for trigger in history.documents.triggers.values():
        if trigger.due_at:
            moment = START_OF_TIME + trigger.due_at
            history.asked.append((trigger.name, moment))
            message = {"deadline": trigger.name, "scheduled": iso(moment)}
            for _ in range(1 + (chance.random() < 0.3)):
                world.at(moment + chance.uniform(0, 2), partial(world.queues["batches"].send, message))
    if chance.random() < 0.3:
        for _ in range(chance.randint(1, 3)):
            at = START_OF_TIME + chance.uniform(0, TROUBLE)
            world.at(at, partial(_start_foreign, world))
    if chance.random() < 0.3:
        _schedule_pause(history, chance)
    if chance.random() < 0.2:
        at = START_OF_TIME + chance.uniform(0, TROUBLE)
        world.at(at, lambda: history.by_hand(partial(_close_or_drop, history, chance)))
    if chance.random() < 0.15:
        world.at(START_OF_TIME + chance.uniform(0, TROUBLE), lambda: _deploy(history, chance))


def _start_foreign(world: World) -> None:
    world.start("one", "", {}, ours=False)


def _schedule_pause(history: History, chance: random.Random) -> None:
    begins = chance.uniform(0, TROUBLE / 2)
    ends = begins + chance.uniform(300, TROUBLE / 2)
    kind, name = chance.choice(
        [("all", ""), ("pipeline", "one"), ("trigger", chance.choice(list(history.documents.triggers)))]
    )
    until = chance.choice([None, int(START_OF_TIME + ends)])
    pause = Pause(kind, name, until, "somebody", "month end", int(START_OF_TIME + begins))
    world = history.world
    world.at(
        START_OF_TIME + begins,
        lambda: history.by_hand(partial(set_pause, history, pause, START_OF_TIME + ends)),
    )
    # Whoever resumes looks whether it worked.
    for later in (0, 600, TROUBLE):
        world.at(
            START_OF_TIME + ends + later,
            lambda: history.by_hand(lambda services: pauses.resume(kind, name, services.records)),
        )


def _close_or_drop(history: History, chance: random.Random, services: Services) -> None:
    batches = waiting(services)
    if not batches:
        return
    batch = chance.choice(batches)
    if chance.random() < 0.5:
        history.forced = True
        commands.close(batch, services)
    else:
        history.dropped.add(batch)
        commands.drop(batch, "no longer needed", services)


def _deploy(history: History, chance: random.Random) -> None:
    """Deploy documents with other limits and rules, or without a trigger."""
    documents = history.documents
    triggers = dict(documents.triggers)
    history.changed_documents = True
    changed = chance.choice(list(triggers))
    what = chance.random()
    if what < 0.3:
        _change_limits(history, chance)
    elif what < 0.6:
        del triggers[changed]
    else:
        other = Rules(expect=("x", "y")) if triggers[changed].rules else None
        triggers[changed] = replace(triggers[changed], rules=other)
    history.documents = SimDocuments(triggers, history.documents.pipelines, documents.days)


def _change_limits(history: History, chance: random.Random) -> None:
    """Deploy other limits; they hold once the functions of the deploy before have ended."""
    world = history.world
    limits = _limits(chance)
    history.documents = SimDocuments(history.documents.triggers, limits, history.documents.days)

    def hold() -> None:
        world.limits = limits

    loosened = {name: _looser(limits[name], world.limits[name]) for name in limits}
    world.limits = loosened
    world.at(world.now + TIME_OUT + 1, hold)


def _looser(one: Limits, other: Limits) -> Limits:
    both = (one.max_running, other.max_running)
    return Limits(max_running=None if None in both else max(most for most in both if most is not None))
