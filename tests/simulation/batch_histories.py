"""Random histories of batches: what is uploaded, said and deployed, and the faults, by seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from pipeline_triggers.batches import commands, pauses
from pipeline_triggers.batches.models import Pause
from pipeline_triggers.batches.services import Services
from pipeline_triggers.models import Collect, Deadline, Limits, Trigger

from tests.simulation.batch_history import (
    ALL,
    BY,
    CRON,
    DAY,
    DRY,
    FREE,
    IGNORE,
    JOIN,
    NEW,
    PART,
    PLAIN,
    SKIP,
    TROUBLE,
    TWO,
    WAIT,
    History,
    Upload,
    set_pause,
    several,
    trigger,
    waiting,
    with_queues,
)
from tests.simulation.batch_world import START, START_OF_TIME, Faults, Outage, World

REGIONS = ("amer", "apac", "emea")


def _triggers(chance: random.Random) -> dict[str, Trigger]:
    quiet, max_open, most = chance.choice([60, 90, 300]), chance.choice([120, 600]), chance.choice([2, 3, 7, 1000])
    plain = Collect(BY, quiet=quiet, max_open=max_open, max_events=most)
    counts: list[tuple[str, ...] | int] = [REGIONS, REGIONS, len(REGIONS), 2]
    incomplete = chance.random() < 0.3
    after = Deadline(after=chance.choice([900, 3600]), start_incomplete=incomplete)
    join = Collect(BY, PART, expect=chance.choice(counts), deadline=after)
    by_cron = replace(join, deadline=replace(CRON, start_incomplete=incomplete))
    limited = chance.choice(["one", "other"])
    only_if = "{% $batch.count % 2 = 0 %}" if chance.random() < 0.15 else None
    every = (
        trigger(PLAIN, limited, collect=replace(plain, only_if=only_if)),
        trigger(TWO, *("one", "other", "one")[: chance.randint(2, 3)], collect=plain),
        trigger(JOIN, limited, collect=by_cron),
        several(ALL, limited, parts="abcd", collect=Collect(deadline=after, late="new")),
        trigger(NEW, "free", collect=replace(by_cron, late="new")),
        trigger(IGNORE, limited, collect=replace(join, late="ignore")),
        trigger(WAIT, limited),
        trigger(SKIP, "one", when_busy="skip"),
        trigger(DRY, limited, collect=plain, dry_run=True),
        trigger(FREE, "free"),
    )
    chosen = chance.sample(every, chance.randint(1, 4))
    return {one.id: replace(one, max_starts=chance.choice([1, 3, 100, 100])) for one in chosen}


def _limits(chance: random.Random) -> dict[str, Limits]:
    other = Limits(
        max_running=chance.choice([None, 1]),
        min_interval=chance.choice([None, 600]),
        max_per_day=chance.choice([None, None, 6, 10]),
    )
    limits = {"one": Limits(max_running=chance.choice([1, 1, 2, 3])), "other": other}
    return {pipeline: limit for pipeline, limit in limits.items() if limit != Limits()}


def _faults(chance: random.Random) -> Faults:
    rate = chance.choice([0.0, 0.002, 0.01, 0.03])
    faults = Faults(
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
    # Without kills, so that nothing may be rejected as crashed.
    return replace(faults, outage=_outage(chance), kill=0.0, slow=0.0) if chance.random() < 0.1 else faults


def _outage(chance: random.Random) -> Outage:
    """Return an outage of some calls, longer than it takes six starts to be given up."""
    calls, mishap = chance.choice(
        [
            (START, "request lost"),
            (START, "no reply"),
            (START, "throttled"),
            ("ListPipelineExecutions", "server error"),
            ("PutObject", "no connection"),
            ("TransactWriteItems", "throttled"),
            ("", "no connection"),
        ]
    )
    begins = chance.uniform(0, 600)
    return Outage(calls, mishap, begins, begins + chance.choice([1200, 3 * 3600]))


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
            yield moment, Upload(name, f"{by}/{part}/{name}/{0 if again else number}", f"{number + 1:02x}")


def played(seed: int) -> History:
    """Play one history to its end."""
    chance = random.Random(seed)  # noqa: S311 - the same history every time
    triggers, limits = _triggers(chance), _limits(chance)
    world = World(seed, _faults(chance))
    outage = world.faults.outage
    history = with_queues(
        History(seed, world, deployed=triggers, trouble=max(TROUBLE, outage.ends if outage else 0)),
        6 if ALL in triggers else chance.choice([1, 2, 3, 6]),
    )
    history.deploy(triggers, limits)
    with world.installed():
        _schedule(history, chance)
        history.settle()
        if seed % 3 == 0:
            history.redeliver(20 * DAY)
    return history


def _schedule(history: History, chance: random.Random) -> None:
    world = history.world
    for after, upload in _uploads(chance, history.deployed):
        history.upload(after, upload, copies=1 + (chance.random() < 0.1))
    for moment in range(60, int(history.trouble), chance.choice([60, 120, 300])):  # some sweeps may be lost
        world.at(START_OF_TIME + moment + chance.uniform(0, 3), history.sweep)
    for one in history.deployed.values():
        if one.collect and one.collect.deadline and one.collect.deadline.cron:
            copies = 1 + (chance.random() < 0.3)
            world.at(START_OF_TIME + chance.randrange(1200, 4000), partial(history.pass_deadline, one.id, copies))
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
    kind, name = chance.choice([("all", ""), ("pipeline", "one"), ("trigger", chance.choice(list(history.deployed)))])
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
    triggers, limits = dict(history.world.triggers), history.world.limits
    changed = chance.choice(list(triggers))
    what = chance.random()
    if what < 0.3:
        limits = _limits(chance)
    elif what < 0.6:
        del triggers[changed]
    else:
        triggers[changed] = _otherwise(triggers[changed])
    history.deploy(triggers, limits)


def _otherwise(one: Trigger) -> Trigger:
    """Return a trigger whose events are batched otherwise, or not collected any more."""
    if one.collect is None or one.all_of:
        return trigger(one.id, one.start[0].pipeline, max_starts=one.max_starts)
    return replace(one, collect=replace(one.collect, by=PART, part=BY, expect=("d0", "d1"), deadline=CRON))
