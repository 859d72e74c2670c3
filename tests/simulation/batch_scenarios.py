"""Faults at every call of batches: what happens in a few short histories, and each fault at each of their calls."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from pipeline_triggers.batches import commands, pauses
from pipeline_triggers.batches.decision import LISTED_WITHIN
from pipeline_triggers.batches.models import Pause
from pipeline_triggers.batches.services import Services
from pipeline_triggers.models import Collect, Deadline, Limits, Trigger

from tests.simulation.batch_history import (
    BY,
    CRON,
    DAY,
    DRY,
    JOIN,
    NEW,
    PART,
    PLAIN,
    SKIP,
    TWO,
    WAIT,
    History,
    Upload,
    set_pause,
    trigger,
    waiting,
    with_queues,
)
from tests.simulation.batch_oracle import left_after_90_days, wrong
from tests.simulation.batch_world import FAULTS, KILLS, START_OF_TIME, At, Faults, World

LIMITS = {"one": Limits(max_running=1), "other": Limits(min_interval=600, max_per_day=10)}
SHORT = Collect(BY, quiet=60, max_open=600, max_events=3)
DUE = replace(CRON, due="{% ['d0', 'd1', 'd9'] %}")
REGIONS = Collect(BY, PART, expect=("amer", "emea"), deadline=DUE)
AFTER = Deadline(after=300)


@dataclass(frozen=True)
class Scenario:
    """What is deployed, what is uploaded and when, and what else happens, in seconds after the beginning."""

    triggers: tuple[Trigger, ...]
    uploads: tuple[tuple[float, Upload], ...]
    happens: tuple[tuple[float, Callable[[History], None]], ...] = ()
    refuses: bool = False
    is_redelivered: bool = False  # after weeks


def files(name: str, *moments: float, by: str = "d0") -> Iterator[tuple[float, Upload]]:
    """Yield uploads of files."""
    for number, moment in enumerate(moments):
        yield moment, Upload(name, f"{by}/-/{name}/{number}", f"{number + 1:02x}")


def part(name: str, moment: float, part: str, by: str = "d0", sequencer: str = "01") -> tuple[float, Upload]:
    """Return the upload of a part."""
    return moment, Upload(name, f"{by}/{part}/{name}", sequencer)


def pause(history: History, kind: str, name: str, ends: float) -> Callable[[Services], None]:
    """Return what pauses, from now until so many seconds after the beginning."""
    paused = Pause(kind, name, None, "somebody", "month end", int(history.world.now))
    return partial(set_pause, history, paused, START_OF_TIME + ends)


def _resume(history: History, kind: str, name: str) -> None:
    _by_hand(history, lambda services: pauses.resume(kind, name, services.records))


def _by_hand(history: History, command: Callable[[Services], object]) -> None:
    """Let somebody run a command, and once more ten minutes later: the first may have broken off."""
    history.by_hand(command)
    history.world.at(history.world.now + 600, lambda: history.by_hand(command))


def _without(history: History, name: str) -> None:
    """Deploy without a trigger."""
    left = {one.id: one for one in history.world.triggers.values() if one.id != name}
    history.deploy(left, LIMITS)


def _close(history: History) -> None:
    history.forced = True
    _by_hand(history, lambda services: [commands.close(id_, services) for id_ in waiting(services)[:1]])


def _drop(history: History) -> None:
    def drop(services: Services) -> None:
        for id_ in waiting(services)[:2]:
            history.dropped.add(id_)
            commands.drop(id_, "no longer needed", services)

    _by_hand(history, drop)


SCENARIOS = {
    "files": Scenario(
        (trigger(TWO, "one", "other", "one", collect=SHORT),),
        (*files(TWO, 0, 0, 1, 2, 2), *files(TWO, 300, 301, by="d1")),
    ),
    "a join, its deadline and a correction": Scenario(
        (trigger(JOIN, "one", collect=REGIONS),),
        (
            *(part(JOIN, 0, "amer"), part(JOIN, 700, "emea"), part(JOIN, 900, "emea", sequencer="02")),
            *(part(JOIN, 10, "amer", by="d1"), part(JOIN, 20, "emea", by="d1")),
        ),
        ((400, lambda history: history.pass_deadline(JOIN)),),
    ),
    "deadlines after the first event": Scenario(
        (
            trigger(JOIN, "one", collect=replace(REGIONS, deadline=replace(AFTER, start_incomplete=True))),
            trigger(NEW, "free", collect=replace(REGIONS, deadline=AFTER, late="new")),
        ),
        (
            *(part(JOIN, 0, "amer"), part(NEW, 0, "amer"), part(NEW, 600, "emea")),
            *(part(NEW, 700, "amer", sequencer="02"), part(NEW, 720, "emea", sequencer="02")),
        ),
    ),
    "a limit": Scenario(
        (trigger(WAIT, "one"), trigger(SKIP, "one", when_busy="skip"), trigger(PLAIN, "other")),
        (*files(WAIT, 0, 1, 2), *files(SKIP, 5), *files(PLAIN, 0, 1)),
    ),
    "refused starts": Scenario(
        (trigger(PLAIN, "other", collect=SHORT), trigger(WAIT, "one")),
        (*files(PLAIN, 0, by="d-bad"), *files(WAIT, 1)),
        refuses=True,
    ),
    "a trigger is removed": Scenario(
        (trigger(PLAIN, "one", collect=replace(SHORT, quiet=300)), trigger(WAIT, "one")),
        (*files(PLAIN, 0), *files(WAIT, 10, 11)),
        ((100, lambda history: _without(history, PLAIN)), (150, lambda history: _without(history, WAIT))),
    ),
    "a pause": Scenario(
        (trigger(PLAIN, "other", collect=SHORT), trigger(WAIT, "free")),
        (*files(PLAIN, 0, 1), *files(WAIT, 200, 400)),
        (
            (30, lambda history: _by_hand(history, pause(history, "all", "", 900))),
            (900, lambda history: _resume(history, "all", "")),
        ),
    ),
    "closed and dropped by hand": Scenario(
        (trigger(PLAIN, "other", collect=replace(SHORT, quiet=900)), trigger(WAIT, "one")),
        (*files(WAIT, 0, 1, 2, 3), *files(PLAIN, 0, 1), *files(PLAIN, 5, by="d1")),
        ((60, _close), (90, _drop)),
    ),
    "a dry run": Scenario((trigger(DRY, "one", collect=SHORT, dry_run=True),), tuple(files(DRY, 0, 1))),
    "delivered again after weeks": Scenario(
        (trigger(PLAIN, "free", collect=SHORT), trigger(WAIT, "one")),
        (*files(PLAIN, 0, 1), *files(WAIT, 0)),
        is_redelivered=True,
    ),
    "a trigger's starts per hour": Scenario(
        (trigger(PLAIN, "one", collect=replace(SHORT, max_events=1), max_starts=1),), tuple(files(PLAIN, 0, 1))
    ),
}


@dataclass(frozen=True)
class Mode:
    """What SageMaker and EventBridge do: remember tokens, list executions late, lose the events of their ends."""

    tokens: bool
    lag: float
    lost: bool


MODES = tuple(Mode(*values) for values in itertools.product((True, False), (0.0, float(LISTED_WITHIN)), (False, True)))
HARDEST = Mode(tokens=False, lag=float(LISTED_WITHIN), lost=True)


def kinds(call: str) -> tuple[str, ...]:
    """Return the faults that a call can meet."""
    return FAULTS if call.startswith("TransactWriteItems") else tuple(fault for fault in FAULTS if fault != "conflict")


def played(scenario: Scenario, mode: Mode, planned: Mapping[At, str] | None = None) -> History:
    """Play a scenario with these faults to its end, and on until its batches are deleted."""
    history = begun(*scenario.triggers, mode=mode)
    world = history.world
    world.planned = planned or {}
    if scenario.refuses:
        world.refuses = lambda parameters: "Key" in parameters
    for after, upload in scenario.uploads:
        history.upload(after, upload)
    for after, happens in scenario.happens:
        world.at(START_OF_TIME + after, partial(happens, history))
    for moment in range(61, 1500, 120):
        world.at(START_OF_TIME + moment, history.sweep)
    with world.installed():
        history.settle()
        if scenario.is_redelivered:
            history.redeliver(20 * DAY)
        history.problems = wrong(history)
        for _ in range(2):  # a join that stays incomplete ends after 90 days, and is then kept as long as any other
            world.run(world.now + 91 * DAY)
            history.sweep_until(world.now + 7200, pace=1800)
        history.problems += left_after_90_days(history)
    return history


def begun(*triggers: Trigger, mode: Mode = MODES[0], lasts: float = 200.0) -> History:
    """Return a history that only begins, with these triggers; executions last so many seconds."""
    world = World(0, Faults(tokens=mode.tokens, lag=mode.lag, event_lost=float(mode.lost)))
    world.lasts = lambda: lasts
    deployed = {one.id: one for one in triggers}
    history = History(1, world, deployed, days=("d0", "d1", "d9"), trouble=1500)
    history.deploy(deployed, LIMITS)
    return with_queues(history, 2, fewest=10)


def one_by_one(scenario: Scenario, mode: Mode, most: int, faults: tuple[str, ...] = FAULTS) -> Iterator[History]:
    """Let each fault happen at each call that the scenario makes; of alike calls, at the first few and the last."""
    undisturbed = played(scenario, mode)
    yield undisturbed
    last: Counter[str] = undisturbed.world.calls
    for call, total in last.items():
        for number in sorted({*range(1, min(most, total) + 1), total}):
            for fault in kinds(call):
                if fault in faults:
                    yield played(scenario, mode, {(call, number): fault})


def tried(name: str, mode: Mode) -> Iterator[History]:
    """Let every fault happen at every call of a scenario in the hardest mode, and in the others be it killed there."""
    if mode == HARDEST:
        yield from one_by_one(SCENARIOS[name], mode, most=1)
    else:
        yield from one_by_one(SCENARIOS[name], mode, most=1, faults=KILLS)
