"""Random histories: batches, functions that run at the same time, clocks that differ, lost answers, kills, outages.

A seed decides all of a history, so that it is the same each time. Several functions take batches from one queue; they
take turns at each request to AWS, since each takes time. What came of the events is checked when all of it is over, and
again when what was rejected has been redriven.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline_triggers.delivery.decision import MAX_CRASHES
from pipeline_triggers.models import Start, Trigger
from pipeline_triggers.starts.ledger import CLOCK_SKEW, LISTING_BOUND

from tests.simulation.delivery_world import World
from tests.simulation.faults import KEY, KILLS, ONE, START, WHEN

MINUTE, HOUR = 60, 3600
GIVE_UP_AFTER = 72 * HOUR

# More deliveries than any of these histories needs.
ENDLESS = 30_000

# What may happen to a request, and how likely that is among these.
MISHAPS = {
    "no connection": 2, "no route": 1, "TLS refused": 1, "TLS broke": 2, "no reply": 3, "request lost": 2,
    "closed": 2, "server error": 2, "unavailable": 2, "throttled": 3,
}  # fmt: skip
OF_A_START = {**MISHAPS, "limit": 3, "conflict": 2}

# Parts of calls' names, what each of their requests may meet for a while, and how long that may last.
OUTAGES = (
    (START, ("throttled",), 74 * HOUR),
    (START, ("limit", "conflict"), 74 * HOUR),
    (START, ("no connection", "no route"), 6 * HOUR),
    (START, ("no reply", "TLS broke", "server error"), 3 * HOUR),
    ("ListPipelineExecutions", ("throttled", "unavailable"), 6 * HOUR),
    ("Item", ("throttled", "server error", "unavailable"), 24 * HOUR),
    ("Message", ("unavailable", "no route"), 6 * HOUR),
    ("", ("no connection", "no route", "unavailable"), 24 * HOUR),
)

ODD = "odd"  # a pipeline whose start is always rejected
TRIGGERS = (
    ONE,
    ONE,
    Trigger("team/three", WHEN, tuple(Start(name, KEY) for name in ("a", "b", "c"))),
    Trigger("team/asks", WHEN, (Start("train", {"Key": "{% $object.metadata.key %}"}),)),
    Trigger("team/rejected", WHEN, (Start("train", KEY), Start(ODD, {"Undeclared": "x"}))),
    replace(ONE, max_starts=4),
)


@dataclass(frozen=True)
class Outage:
    """From when to when each request of some calls meets one of these mishaps, and how likely."""

    begins: float
    ends: float
    calls: str
    mishaps: tuple[str, ...]
    chance: float


@dataclass
class History:
    """A seed's history; ``skew`` is how far clocks are off, ``bound`` how late executions are listed, in seconds."""

    seed: int
    skew: float = CLOCK_SKEW
    bound: float = LISTING_BOUND
    world: World = field(init=False)
    deliveries: int = 0
    kills: int = 0
    mishaps: int = 0
    first_verdicts: list[dict[str, Any]] = field(default_factory=list)  # before anything was fixed and redriven
    first_executions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = self.chance = random.Random(self.seed)  # noqa: S311 - the same every time
        lags = chance.choice([(0,), (0, self.bound), (self.bound,), tuple(range(0, int(self.bound), 30))])
        honours_tokens = chance.random() < 0.3
        self.world = World(chance.choice(TRIGGERS), honours_tokens, lambda: chance.choice(lags), chance=chance)
        self.began = self.world.now
        usual = chance.choice([0.01, 0.2, 1.0])
        self.world.latency = lambda: usual / 2 * chance.choice([0.5, 1, 1, 1, 2, 8])
        self.world.weather = self._weather
        self.mishap_chance = chance.choice([0, 0, 0.02, 0.1, 0.3])
        self.kill_chance = chance.choice([0, 0, 0.005, 0.03])
        self.again_chance = chance.choice([0, 0.05, 0.2])
        self.outages = [self._outage() for _ in range(chance.choice([0, 0, 1, 2]))]
        self.calm_from = max([self.began + 2 * HOUR, *(outage.ends for outage in self.outages)])
        self.events = [f"in/{number}" for number in range(chance.choice([1, 2, 5, 12, 25]))]
        self.to_come = sorted(self._arrivals())

    def _outage(self) -> Outage:
        chance = self.chance
        calls, mishaps, longest = chance.choice(OUTAGES)
        begins = self.began + chance.choice([0, 0, MINUTE, 10 * MINUTE])
        lasts = longest if chance.random() < 0.03 else chance.choice([10 * MINUTE, HOUR, 3 * HOUR])
        return Outage(begins, begins + lasts, calls, mishaps, chance.choice([1, 1, 0.5]))

    def _arrivals(self) -> Iterator[tuple[float, str]]:
        """Return when a message of which event arrives; some events come more than once, at once or late."""
        spread = self.chance.choice([0, 1, MINUTE])
        for key in self.events:
            yield self.began + self.chance.random() * spread, key
            for _ in range(self.chance.choice([0, 0, 0, 1, 2])):
                yield self.began + self.chance.choice([0, 1, 5, 700, 2 * HOUR]), key

    def _weather(self, name: str) -> str:
        """Return what happens to a request."""
        chance, now = self.chance, self.world.now
        if now >= self.calm_from:
            return ""
        kind = ""
        for outage in self.outages:
            if outage.begins <= now < outage.ends and outage.calls in name and chance.random() < outage.chance:
                kind = chance.choice(outage.mishaps)
        if not kind and chance.random() < self.mishap_chance:
            likely = OF_A_START if name == START else MISHAPS
            (kind,) = chance.choices(list(likely), list(likely.values()))
        if chance.random() < self.kill_chance:
            kind = chance.choice(KILLS)
        self.mishaps += bool(kind)
        return kind

    # ---- What happens

    def play(self) -> History:
        """Let all of it happen; then fix what was wrong, and redrive what was rejected."""
        world = self.world
        if self.chance.random() < 0.1:
            world.poison = {self.chance.choice(self.events)}
        with world.installed():
            functions = [self._function] * self.chance.choice([2, 2, 3])
            world.clock.run([self._publisher, self._vanisher, *functions])
            self.first_verdicts = world.final_verdicts()
            self.first_executions = list(world.sagemaker.executions)
            world.poison, world.deleted = set(), set()
            world.redrive()
            world.drain()
        return self

    def _publisher(self) -> None:
        while self.to_come:
            self.world.pass_time(self.to_come[0][0] - self.world.now)
            _, key = self.to_come.pop(0)
            self.world.upload(key)

    def _vanisher(self) -> None:
        """Delete objects after their pipelines have started, as pipelines do that clean up."""
        if self.chance.random() < 0.5:
            return
        while self._goes_on():
            self.world.deleted |= {_key(execution) for execution in self.world.sagemaker.executions}
            self.world.pass_time(5 * MINUTE)

    def _function(self) -> None:
        """Take batches until nothing is left; after a kill another function goes on, with another clock."""
        world, chance = self.world, self.chance
        skew = self._clock()
        while self._goes_on():
            visible = world.sqs.visible()
            if not visible:
                self._wait()
                continue
            batch = chance.sample(visible, min(len(visible), chance.choice([1, 2, 10, 10])))
            held = {message: world.sqs.queue[message] for message in batch}
            self.deliveries += 1
            assert self.deliveries < ENDLESS, f"the history of seed {self.seed} never ends"
            if not world.deliver(*batch, skew=skew):
                self.kills += 1
                skew = self._clock()
            for message in batch:
                # SQS may hand a message out once more, hidden or deleted as it may be.
                if chance.random() < self.again_chance and world.now < self.calm_from:
                    world.sqs.queue[message] = held[message]
                    held[message].visible_at = world.now + chance.choice([0, 0, 1, 100])

    def _clock(self) -> float:
        return self.chance.choice([-self.skew, self.skew, self.chance.uniform(-self.skew, self.skew)])

    def _goes_on(self) -> bool:
        return bool(self.to_come or self.world.sqs.queue)

    def _wait(self) -> None:
        times = [at for at, _ in self.to_come[:1]]
        if self.world.sqs.queue:
            times.append(self.world.sqs.next_visible_at())
        self.world.pass_time(max(min(times) - self.world.now, 0.01))

    # ---- What came of it

    def wrong(self) -> list[str]:
        """Return what is wrong, each kind once."""
        world = self.world
        verdicts = world.final_verdicts()
        pipelines = {start.pipeline for start in world.trigger.start}
        kinds = {
            "lost a start": len(world.sagemaker.executions) < len(self.events) * len(pipelines - {ODD}),
            "lost a verdict": {verdict["message_id"] for verdict in verdicts} != set(world.keys),
            "lost, or moved without a reason": bool(world.sqs.expired or world.sqs.moved),
            "quarantined without a reason": bool(world.unexplained()),
            "started twice": bool(world.repeated()),
            "wrong parameters": bool(world.misled()),
            "no verdict for an execution": self._unreported(),
            "verdicts contradict each other": self._contradicts(),
            "not recorded as reported": bool(world.misrecorded()),
            "given up early": any(not self._is_just(verdict) for verdict in self._rejections()),
        }
        return [kind for kind, holds in kinds.items() if holds]

    def _of_pipelines(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Return the verdicts with their pipelines; one without a pipeline is for all of them."""
        for verdict in self.first_verdicts:
            every = [start.pipeline for start in self.world.trigger.start]
            for pipeline in [verdict["pipeline"]] if "pipeline" in verdict else every:
                yield verdict, pipeline

    def _unreported(self) -> bool:
        started = {
            (self.world.keys[verdict["message_id"]], pipeline)
            for verdict, pipeline in self._of_pipelines()
            if verdict["outcome"] == "STARTED"
        }
        return started != {(_key(execution), execution["PipelineName"]) for execution in self.first_executions}

    def _contradicts(self) -> bool:
        """Whether a message has two different verdicts, an execution two messages, or an event no longer its start."""
        of_message: dict[tuple[str, str], str] = {}
        started: dict[tuple[str, str], dict[str, Any]] = {}
        for verdict, pipeline in self._of_pipelines():
            message, outcome = verdict["message_id"], verdict["outcome"]
            event = self.world.keys[message], pipeline
            if of_message.setdefault((message, pipeline), outcome) != outcome:
                return True
            if outcome == "STARTED" and started.setdefault(event, verdict)["message_id"] != message:
                return True
            # Who began before the start was reported could not know it.
            if outcome in ("REJECTED", "FILTERED") and event in started and verdict["since"] > started[event]["at"]:
                return True
        return False

    def _rejections(self) -> list[dict[str, Any]]:
        """Return the first rejection of each message and pipeline; later ones repeat it."""
        rejections: dict[Any, dict[str, Any]] = {}
        for verdict in self.first_verdicts:
            if verdict["outcome"] == "REJECTED":
                rejections.setdefault((verdict["message_id"], verdict.get("pipeline")), verdict)
        return list(rejections.values())

    def _is_just(self, verdict: dict[str, Any]) -> bool:
        """Whether there is the reason for a rejection that it gives."""
        reason, message = verdict["reason"], verdict["message_id"]
        if reason.startswith("could not be started within"):
            return bool(verdict["at"] - self.world.sqs.sent[message] >= GIVE_UP_AFTER - self.skew)
        if "crashed" in reason:
            return bool(verdict["crashes"] >= MAX_CRASHES)
        is_gone = self.world.keys[message] in map(_key, self.first_executions)
        return "Undeclared" in reason or ("404" in reason and is_gone)


WRONG = (
    *("lost a start", "lost a verdict", "lost, or moved without a reason", "quarantined without a reason"),
    *("started twice", "wrong parameters", "no verdict for an execution", "verdicts contradict each other"),
    *("not recorded as reported", "given up early"),
)


def measured(seeds: range) -> Counter[str]:
    """Play histories, and count what happened and what is wrong."""
    counts: Counter[str] = Counter()
    for seed in seeds:
        history = History(seed).play()
        wrong = history.wrong()
        counts.update(wrong or ["right"])
        counts.update({f"seed {seed}: {kind}": 1 for kind in wrong})
        counts.update(
            {
                "histories": 1,
                "events": len(history.events),
                "messages": len(history.world.keys),
                "invocations": history.deliveries,
                "kills": history.kills,
                "mishaps": history.mishaps,
                "executions": len(history.world.sagemaker.executions),
            }
        )
    return counts


def _key(execution: dict[str, Any]) -> str:
    key: str = execution["PipelineParameters"][0]["Value"]
    return key
