"""A delivery of a message → a verdict for each pipeline that it concerns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.batches.connection import connected
from pipeline_triggers.batches.deployed import targets
from pipeline_triggers.delivery import line, requests
from pipeline_triggers.delivery.admission import admitted
from pipeline_triggers.delivery.attempts import NONE, Attempts
from pipeline_triggers.errors import Filtered, Held, MaxStarts, Probed, Rejected, Undecided, Waiting
from pipeline_triggers.events.envelope import Arrival
from pipeline_triggers.language.lookups import needed
from pipeline_triggers.models import Occurrence, Outcome, Run, Trigger, Verdict
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import definition, start
from pipeline_triggers.starts.plan import digest, mark_of, plan, token_of
from pipeline_triggers.starts.start import NO_TIME
from pipeline_triggers.telemetry import count_max_starts, logger

# What reads a handler's messages: the body and the deployed triggers → what it brings to which trigger.
Read = Callable[[str, Mapping[str, Trigger]], list[Arrival]]

# Below the queue's maxReceiveCount: what SQS itself moves to the dead-letter queue has no reason with it. Both are
# counted in a row: a delivery that waits begins anew.
MAX_FAILURES = 4
MAX_CRASHES = 6
MAX_LOOKS = 12  # deliveries beyond these that only look for what was started before, as long as even that crashes

# How long an event waits beyond the age at which it is given up, when its pipeline may have been started.
TIME_TO_DECIDE = 24 * 3600  # seconds

# What must be left of the function's time to begin with a pipeline, and to end what was begun: the longest that
# one more call to SageMaker takes, or the calls that give a start back and note how the delivery ended.
TIME_FOR_A_START = 90  # seconds
TIME_TO_FINISH = 45  # seconds

# What the tables remember, however the event is judged later.
_KNOWN = frozenset({Outcome.STARTED, Outcome.COLLECTED})

CRASHED = f"the function crashed or timed out {MAX_CRASHES} times; its log may say why"
UNKNOWN = (
    f"the function crashed or timed out {MAX_CRASHES + MAX_LOOKS} times, even while it looked for what it had started; "
    "redrive the message: that starts only what was not started"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as SQS delivers it for the ``receives``-th time.

    ``sent_at`` is a Unix time, ``age`` in seconds. ``remaining`` returns the seconds until Lambda stops the function.
    ``before`` is what came of earlier deliveries.
    """

    message: str
    body: str
    receipt: str
    receives: int
    sent_at: float
    age: float
    remaining: Callable[[], float]
    before: Attempts = NONE

    @property
    def is_first(self) -> bool:
        """Whether the message was never delivered before."""
        return self.receives == 1

    @property
    def is_too_old(self) -> bool:
        """Whether the message has waited for as long as it may."""
        return self.age >= settings().give_up_after

    def time_left(self) -> float:
        """Return the seconds until the function has to end what it has begun."""
        return self.remaining() - TIME_TO_FINISH

    def need_time(self) -> None:
        """Raise Waiting unless there is time to begin with a pipeline."""
        if self.remaining() < TIME_FOR_A_START:
            raise Waiting(NO_TIME)


def is_transient(error: Exception) -> bool:
    """Whether what has failed may work later by itself."""
    return isinstance(error, Waiting) or aws.is_transient(error)


def verdict_for(error: Exception, delivery: Delivery, known: Mapping[str, Any]) -> Verdict | None:
    """Turn an exception into a verdict; None: the delivery has failed, and the message comes back.

    ``known`` are the verdict's other fields.
    """
    if isinstance(error, Filtered):
        outcome = Outcome.PROBED if isinstance(error, Probed) else Outcome.FILTERED
        return Verdict(outcome, reason=str(error), **known)
    if isinstance(error, Rejected):
        return Verdict(Outcome.REJECTED, reason=str(error), **known)
    reason = str(error) if isinstance(error, Waiting) else aws.reason(error)
    if is_transient(error):
        if delivery.age < _longest_wait(error):
            return Verdict(Outcome.WAITING, reason=reason, **known)
        reason = f"could not be started within {settings().give_up_after // 3600} hours: {reason}"
    else:
        if delivery.before.failures + 1 < MAX_FAILURES:
            return None
        reason = f"failed {MAX_FAILURES} times: {reason}"
    return Verdict(Outcome.REJECTED, reason=reason, **known)


def _longest_wait(error: Exception) -> float:
    """Return the age in seconds at which an event is given up for what makes it wait.

    While the ledger or SageMaker does not answer, the pipeline may have been started.
    """
    is_not_started = isinstance(error, Waiting) and not isinstance(error, Undecided)
    return settings().give_up_after + (0 if is_not_started else TIME_TO_DECIDE)


@dataclass(slots=True)
class Decision:
    """What a delivery comes to: its verdicts, its failures, and the deployed triggers that it was decided by.

    ``collecting`` holds, for each occurrence that is still to join a batch, what that would start.
    """

    delivery: Delivery
    deployed: Mapping[str, Trigger] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    collecting: list[Sequence[Target]] = field(default_factory=list)

    def of(self, outcome: Outcome) -> list[Verdict]:
        """Return the verdicts with an outcome."""
        return [verdict for verdict in self.verdicts if verdict.outcome is outcome]

    @property
    def depends_on_lookups(self) -> bool:
        """Whether AWS may answer another delivery otherwise; the tables know what was started or collected."""
        others = [verdict.trigger for verdict in self.verdicts if verdict.outcome not in _KNOWN]
        return any(name in self.deployed and needed(self.deployed[name]) for name in others)

    def settle(self, error: Exception, known: Mapping[str, Any]) -> None:
        """Add what an exception means."""
        if isinstance(error, MaxStarts):
            count_max_starts()
        if verdict := verdict_for(error, self.delivery, known):
            self.verdicts.append(verdict)
            if not is_transient(error) and not isinstance(error, Filtered | Rejected):
                logger.error("given up", extra={"pipeline": known.get("pipeline")}, exc_info=error)
        else:
            self.failures.append(error)


@dataclass(slots=True)
class Target:
    """One of a trigger's pipelines, by its position in ``start``, to be started for an occurrence.

    ``known`` are the fields of its verdict besides the pipeline's, and ``run`` is the start, once it is computed.
    """

    trigger: Trigger
    position: int
    occurrence: Occurrence
    delivery: Delivery
    known: Mapping[str, Any]
    run: Run | None = None

    @property
    def pipeline(self) -> str:
        """The pipeline's name."""
        return self.trigger.start[self.position].pipeline

    @property
    def token(self) -> str:
        """What identifies the start; Rejected where that can't be computed."""
        return token_of(self.trigger, self.position, self.occurrence, settings().stack)

    @property
    def about(self) -> dict[str, Any]:
        """The verdict's fields besides the outcome and what comes of it."""
        computed = {"parameters": self.run.shown} if self.run and self.run.parameters else {}
        return {**self.known, "pipeline": self.pipeline, **computed}

    def decide(self) -> Verdict:
        """Start the pipeline unless it was started before; what an earlier delivery has started is not refused."""
        try:
            return self._start()
        except Exception as error:
            verdict = verdict_for(error, self.delivery, self.about)
            is_refused = verdict is not None and verdict.outcome is Outcome.REJECTED
            if is_refused and (started := self.started_before()):
                return started
            if isinstance(error, Rejected) and self.run:
                raise Rejected(self.run.masked(str(error))) from error
            raise

    def _start(self) -> Verdict:
        self.delivery.need_time()
        self.run = run = plan(self.trigger, self.position, self.occurrence, settings().stack)
        if self.trigger.dry_run:
            definition.fit(run.pipeline, run.parameters, run.version)
            return Verdict(Outcome.DRY_RUN, **self.about)
        if line.is_for(self.trigger.first_id, self.pipeline):
            return self._wait_in_line(run)
        delivery = self.delivery
        try:
            outcome, execution = start.once(run, self.trigger, delivery.message, delivery.time_left, self._is_held)
        except Held:
            return self._wait_in_line(run)
        return Verdict(outcome, execution_arn=execution, **self.about)

    def _is_held(self) -> bool:
        return line.is_for(self.trigger.first_id, self.pipeline)

    def _wait_in_line(self, run: Run) -> Verdict:
        target, delivery = targets(self.trigger)[self.position], self.delivery
        return Verdict(**line.wait(run, self.trigger, target, delivery.message, delivery.time_left), **self.about)

    def started_before(self) -> Verdict | None:
        """Return the verdict of an earlier delivery's start, whatever is to be said of the event by now."""
        if self.delivery.is_first and not needed(self.trigger):
            return None  # the event alone decided, as it does each time
        return self.earlier_start()

    def earlier_start(self) -> Verdict | None:
        """Return the verdict of an earlier delivery's start, as the ledger and SageMaker know it."""
        try:
            token = self.token
        except Rejected:
            return None  # what can't be identified was never started
        occurrence = digest(self.occurrence.identity)
        started = start.earlier(token, self.pipeline, self.delivery.message, occurrence, self.delivery.time_left)
        if started is None:
            return None
        outcome, execution = started
        return Verdict(outcome, execution_arn=execution, **self.about)


def decide(delivery: Delivery, read: Read, triggers: Callable[[], Mapping[str, Trigger]]) -> Decision:
    """Decide a message in full; every pipeline is tried, though another one fails."""
    decision = Decision(delivery)
    try:
        if delivery.before.crashes >= MAX_CRASHES + MAX_LOOKS:
            raise Rejected(UNKNOWN)
        decision.deployed = triggers()
        arrivals = read(delivery.body, decision.deployed)
    except Exception as error:
        # What can't be read is called by its message's id.
        decision.settle(error, {"trigger": "unknown", "event_id": delivery.message})
        return decision
    for arrival in arrivals:
        _decide_arrival(arrival, decision)
    return decision


def _decide_arrival(arrival: Arrival, decision: Decision) -> None:
    """Decide what a message brings to one trigger."""
    known: dict[str, Any] = {"trigger": arrival.trigger, "event_id": arrival.event_id or decision.delivery.message}
    logger.append_keys(**known)
    try:
        occurrence = arrival.occurrence()
        known |= {"subject": occurrence.subject, "event_time": occurrence.happened_at or None}
        known |= {"version": occurrence.version or None}
        trigger = _deployed_trigger(arrival, occurrence, decision)
        targets = _admitted_targets(trigger, occurrence, decision, known)
    except Exception as error:
        decision.settle(error, known)
        return
    if trigger.collect and targets:
        decision.collecting.append(targets)
        return
    for target in _in_turn(targets, decision.delivery.receives):
        try:
            decision.verdicts.append(target.decide())
        except Exception as error:
            decision.settle(error, target.about)


def _in_turn(targets: list[Target], receives: int) -> list[Target]:
    """Begin with another pipeline at each delivery: retries of one may take all the time of a function."""
    first = (receives - 1) % max(1, len(targets))
    return targets[first:] + targets[:first]


def _deployed_trigger(arrival: Arrival, occurrence: Occurrence, decision: Decision) -> Trigger:
    """Return the deployed trigger as the source of the arrival sees it."""
    trigger = decision.deployed.get(arrival.trigger)
    if trigger and (view := trigger.view(arrival.part)):
        return view
    # A rule may be newer than the function for a moment; a publisher's word is not a rule.
    if occurrence.request is None and decision.delivery.is_first:
        raise Waiting(f"no deployed document defines this {'part' if trigger else 'trigger'}; retrying once")
    if trigger:
        raise Rejected(f"part removed: {trigger.id} has no part {arrival.part!r} any more")
    raise Rejected("trigger removed: no deployed document defines it any more")


def _admitted_targets(
    trigger: Trigger, occurrence: Occurrence, decision: Decision, known: dict[str, Any]
) -> list[Target]:
    """Return what to start for an occurrence, with what was looked up for it; nothing if it is refused."""
    delivery = decision.delivery
    positions: Sequence[int] = range(len(trigger.start))
    try:
        positions = requests.targets(trigger, occurrence)
        if delivery.before.crashes >= MAX_CRASHES:
            raise Rejected(CRASHED)
        looked_up = admitted(trigger, occurrence)
    except (Filtered, Rejected) as refusal:
        _refuse(refusal, [Target(trigger, at, occurrence, delivery, known) for at in positions], decision)
        return []
    return [Target(trigger, at, looked_up, delivery, known) for at in positions]


def _refuse(refusal: Filtered | Rejected, targets: list[Target], decision: Decision) -> None:
    """Refuse an occurrence, but for what an earlier delivery has started of it: that gets its own verdict.

    Raises:
        Filtered, Rejected: nothing was started, and one verdict is enough.

    """
    started = [target.started_before() for target in targets]
    if not any(started):
        if batch := collected_before(targets[0]) if targets else None:
            decision.verdicts.append(Verdict(Outcome.COLLECTED, batch=batch, **targets[0].known))
            return
        raise refusal
    for target, verdict in zip(targets, started, strict=True):
        if verdict:
            decision.verdicts.append(verdict)
        else:
            decision.settle(refusal, target.about)


def collected_before(target: Target) -> str | None:
    """Return the batch that an earlier delivery of the event has joined."""
    if not target.trigger.collect or target.delivery.is_first:
        return None
    try:
        mark = mark_of(target.trigger, target.occurrence, settings().stack)
    except Rejected:
        return None  # what can't be identified was never collected
    joined = connected(target.delivery.time_left).store.marks([mark]).get(mark)
    return joined.batch if joined else None
