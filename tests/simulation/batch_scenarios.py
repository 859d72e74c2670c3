"""Faults at every call of batches: what happens in a few short histories, and each fault at each of their calls."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from pipeline_triggers.batches import commands, pauses
from pipeline_triggers.batches.decision import LISTED_WITHIN, TIME_OUT
from pipeline_triggers.batches.models import Late, Pause, Rules, Target
from pipeline_triggers.batches.services import Services
from pipeline_triggers.models import Limits

from tests.simulation.batch_history import (
    DAY,
    DRY,
    JOIN,
    NEW,
    PLAIN,
    SKIP,
    TWO,
    WAIT,
    History,
    SimDocuments,
    Trigger,
    Upload,
    set_pause,
    waiting,
)
from tests.simulation.batch_oracle import left_after_90_days, wrong
from tests.simulation.batch_world import FAULTS, KILLS, START_OF_TIME, At, Faults, Queue, World, iso

ONE, OTHER, FREE = Target("one"), Target("other"), Target("free")
LIMITS = {"one": Limits(max_running=1), "other": Limits(min_interval=600, max_per_day=10)}
SHORT = Rules(quiet=60, max_open=600, max_events=3)
REGIONS = Rules(expect=("amer", "emea"))


@dataclass(frozen=True)
class Scenario:
    """What is deployed, what is uploaded and when, and what else happens, in seconds after the beginning."""

    triggers: tuple[Trigger, ...]
    uploads: tuple[tuple[float, Upload], ...]
    happens: tuple[tuple[float, Callable[[History], None]], ...] = ()
    max_starts: Mapping[str, int] = field(default_factory=dict)
    refuses: bool = False
    is_redelivered: bool = False  # after weeks


def files(trigger: str, *moments: float, by: str = "d0") -> Iterator[tuple[float, Upload]]:
    """Yield uploads of files."""
    for number, moment in enumerate(moments):
        yield moment, Upload(trigger, f"{by}/{trigger}/{number}", f"{number + 1:02x}", by)


def part(trigger: str, moment: float, name: str, by: str = "d0", sequencer: str = "01") -> tuple[float, Upload]:
    """Return the upload of a part."""
    return moment, Upload(trigger, f"{by}/{name}", sequencer, by, name)


def deadline(history: History, trigger: str) -> None:
    """Let a trigger's deadline pass now."""
    moment = history.world.now
    history.asked.append((trigger, moment))
    history.world.queues["batches"].send({"deadline": trigger, "scheduled": iso(moment)})


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


def _without(history: History, trigger: str) -> None:
    """Deploy without a trigger."""
    history.changed_documents = True
    triggers = {name: one for name, one in history.documents.triggers.items() if name != trigger}
    history.documents = SimDocuments(triggers, history.documents.pipelines, history.documents.days)


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
        (Trigger(TWO, (ONE, OTHER, Target("one", 1)), SHORT),),
        (*files(TWO, 0, 0, 1, 2, 2), *files(TWO, 300, 301, by="d1")),
    ),
    "a join, its deadline and a correction": Scenario(
        (Trigger(JOIN, (ONE,), REGIONS),),
        (
            *(part(JOIN, 0, "amer"), part(JOIN, 700, "emea"), part(JOIN, 900, "emea", sequencer="02")),
            *(part(JOIN, 10, "amer", by="d1"), part(JOIN, 20, "emea", by="d1")),
        ),
        ((400, lambda history: deadline(history, JOIN)),),
    ),
    "deadlines after the first event": Scenario(
        (
            Trigger(JOIN, (ONE,), replace(REGIONS, deadline_after=300, start_incomplete=True)),
            Trigger(NEW, (FREE,), replace(REGIONS, deadline_after=300, late=Late.NEW)),
        ),
        (
            part(JOIN, 0, "amer"),
            part(NEW, 0, "amer"),
            part(NEW, 600, "emea"),
            part(NEW, 700, "amer", sequencer="02"),
            part(NEW, 720, "emea", sequencer="02"),
        ),
    ),
    "a limit": Scenario(
        (Trigger(WAIT, (ONE,)), Trigger(SKIP, (ONE,), skip=True), Trigger(PLAIN, (OTHER,))),
        (*files(WAIT, 0, 1, 2), *files(SKIP, 5), *files(PLAIN, 0, 1)),
    ),
    "refused starts": Scenario(
        (Trigger(PLAIN, (OTHER,), SHORT), Trigger(WAIT, (ONE,))),
        (*files(PLAIN, 0, by="d-bad"), *files(WAIT, 1)),
        refuses=True,
    ),
    "a trigger is removed": Scenario(
        (Trigger(PLAIN, (ONE,), replace(SHORT, quiet=300)), Trigger(WAIT, (ONE,))),
        (*files(PLAIN, 0), *files(WAIT, 10, 11)),
        ((100, lambda history: _without(history, PLAIN)), (150, lambda history: _without(history, WAIT))),
    ),
    "a pause": Scenario(
        (Trigger(PLAIN, (OTHER,), SHORT), Trigger(WAIT, (FREE,))),
        (*files(PLAIN, 0, 1), *files(WAIT, 200, 400)),
        (
            (30, lambda history: _by_hand(history, pause(history, "all", "", 900))),
            (900, lambda history: _resume(history, "all", "")),
        ),
    ),
    "closed and dropped by hand": Scenario(
        (Trigger(PLAIN, (OTHER,), replace(SHORT, quiet=900)), Trigger(WAIT, (ONE,))),
        (*files(WAIT, 0, 1, 2, 3), *files(PLAIN, 0, 1), *files(PLAIN, 5, by="d1")),
        ((60, _close), (90, _drop)),
    ),
    "a dry run": Scenario((Trigger(DRY, (ONE,), replace(SHORT, dry_run=True)),), tuple(files(DRY, 0, 1))),
    "delivered again after weeks": Scenario(
        (Trigger(PLAIN, (FREE,), SHORT), Trigger(WAIT, (ONE,))),
        (*files(PLAIN, 0, 1), *files(WAIT, 0)),
        is_redelivered=True,
    ),
    "a trigger's starts per hour": Scenario(
        (Trigger(PLAIN, (ONE,), replace(SHORT, max_events=1)),), tuple(files(PLAIN, 0, 1)), max_starts={PLAIN: 1}
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


def deployed(*triggers: Trigger, mode: Mode = MODES[0], lasts: float = 200.0) -> History:
    """Return a history that only begins, with these triggers; executions last so many seconds."""
    random.seed(0)
    world = World(0, Faults(tokens=mode.tokens, lag=mode.lag, event_lost=float(mode.lost)))
    world.limits = LIMITS
    world.lasts = lambda: lasts
    by_name = {trigger.name: trigger for trigger in triggers}
    documents = SimDocuments(by_name, LIMITS, days=("d0", "d1", "d9"))
    history = History(1, world, documents, deployed=by_name, trouble=1500)
    world.queues = {
        "events": Queue(world, history.deliver, 2, 10, 120, 720, fewest=10),
        "batches": Queue(world, history.on_batch, 2, 10, TIME_OUT, 1800, fewest=10),
    }
    return history


def kinds(call: str) -> tuple[str, ...]:
    """Return the faults that a call can meet."""
    return FAULTS if call.startswith("TransactWriteItems") else tuple(fault for fault in FAULTS if fault != "conflict")


def played(scenario: Scenario, mode: Mode, planned: Mapping[At, str] | None = None) -> History:
    """Play a scenario with these faults to its end, and on until its batches are deleted."""
    history = deployed(*scenario.triggers, mode=mode)
    world = history.world
    world.planned = planned or {}
    world.max_starts = scenario.max_starts
    if scenario.refuses:
        world.rejected = lambda parameters: "Key" in parameters
    for after, upload in scenario.uploads:
        history.upload(after, upload)
    for after, happens in scenario.happens:
        world.at(START_OF_TIME + after, partial(happens, history))
    for moment in range(61, 1500, 120):
        world.at(START_OF_TIME + moment, history.sweep)
    history.settle()
    if scenario.is_redelivered:
        history.redeliver(20 * DAY)
    history.problems = wrong(history)
    world.run(world.now + 91 * DAY)
    history.sweep_until(world.now + 7200, pace=1800)
    history.problems += left_after_90_days(history)
    world.close()
    return history


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
        yield from one_by_one(SCENARIOS[name], mode, most=2)
    else:
        yield from one_by_one(SCENARIOS[name], mode, most=1, faults=KILLS)
