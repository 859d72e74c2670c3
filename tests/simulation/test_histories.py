"""Any history of uploads, deliveries, faults, deploys and time: at most one start each, and in the end exactly one."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pipeline_triggers.models import Start, Trigger
from pipeline_triggers.operations.redrive import HIDDEN
from pipeline_triggers.starts.ledger import LISTING_BOUND

from tests.simulation.delivery_world import World
from tests.simulation.faults import CALLS, KEY, START, WHEN, kinds
from tests.simulation.histories import measured
from tests.simulation.invocation import RETENTION

HOUR = 3600
PIPELINES = ("train", "report")

# How old a message of SQS may get, in its queue and then in the dead-letter queue.
LONGEST_LIFE = 18 * 24 * HOUR


class History(RuleBasedStateMachine):
    """A trigger's life: what AWS and its users may do to it, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Trigger("team/one", WHEN, tuple(Start(name, KEY) for name in PIPELINES)))
        self.began = self.world.now
        self.around = ExitStack()
        self.around.enter_context(self.world.installed())

    @initialize(honours_tokens=st.booleans(), lag=st.sampled_from([0, 60, LISTING_BOUND]))
    def begin(self, honours_tokens: bool, lag: float) -> None:
        """SageMaker remembers tokens or not, and lists executions at once or late."""
        self.world.sagemaker.honours_tokens, self.world.sagemaker.lag = honours_tokens, lambda: lag

    @rule(key=st.sampled_from(["in/x", "in/y", "in/x+y%20z"]))
    def upload(self, key: str) -> None:
        """EventBridge delivers an upload, or once more one that it has delivered."""
        self.world.upload(key)

    @precondition(lambda self: self.world.sqs.queue)
    @rule(choice=st.integers(0, 20))
    def deliver(self, choice: int) -> None:
        """SQS delivers any message, even one that should be hidden."""
        queue = list(self.world.sqs.queue)
        self.world.deliver(queue[choice % len(queue)])

    @rule(choice=st.sampled_from([(call, fault) for call in CALLS for fault in kinds(call)]))
    def fail(self, choice: tuple[str, str]) -> None:
        """The next call of a kind meets a fault."""
        call, fault = choice
        self.world.faults = {**self.world.faults, self.world.next(call): fault}

    @rule(times=st.integers(1, 20), fault=st.sampled_from(["throttled", "limit", "denied", "server error"]))
    def refuse_starts(self, times: int, fault: str) -> None:
        """SageMaker starts nothing for a while."""
        _, first = self.world.next(START)
        refused = {(START, number): fault for number in range(first, first + times)}
        self.world.faults = {**self.world.faults, **refused}

    @precondition(lambda self: self.world.now - self.began < LONGEST_LIFE)
    @rule(seconds=st.sampled_from([1, 300, 600, HOUR, 24 * HOUR, 80 * HOUR]))
    def let_time_pass(self, seconds: int) -> None:
        """Until a lease is over, an hour is over, or a message is too old, but not until SQS forgets it undelivered."""
        oldest = min((held.sent_at for held in self.world.sqs.queue.values()), default=self.world.now)
        if self.world.now + seconds - oldest < RETENTION - 24 * HOUR:
            self.world.pass_time(seconds)

    @rule()
    def forget_tokens(self) -> None:
        """SageMaker forgets tokens."""
        self.world.sagemaker.forget_tokens()

    @rule(missing=st.booleans())
    def change_pipelines(self, missing: bool) -> None:
        """Somebody deletes the pipelines, or creates them."""
        self.world.sagemaker.missing = missing

    @rule(deployed=st.booleans())
    def deploy(self, deployed: bool) -> None:
        """A deploy removes the trigger, or brings it back."""
        self.world.deployed = deployed

    @rule(broken_off=st.sampled_from(["", "before", "after"]))
    def redrive(self, broken_off: str) -> None:
        """Somebody sends the dead-letter queue's messages again, and perhaps breaks off."""
        self.world.redrive(broken_off)

    @invariant()
    def nothing_starts_twice_or_wrongly(self) -> None:
        """And nothing goes to the dead-letter queue without its reason and its event's id."""
        assert self.world.repeated() == []
        assert self.world.misled() == []
        assert self.world.unexplained() == []

    def teardown(self) -> None:
        """Once all is fixed and redriven, all was started, and each message has its verdicts."""
        with self.around:
            self.world.sagemaker.missing, self.world.deployed, self.world.faults = False, True, {}
            self.world.drain()
            self.world.pass_time(HIDDEN)  # until what a broken redrive held is shown again
            self.world.redrive()
            self.world.drain()
        assert self.world.sqs.dead == {}
        self.nothing_starts_twice_or_wrongly()
        executions = self.world.sagemaker.executions
        started = {(one["PipelineParameters"][0]["Value"], one["PipelineName"]) for one in executions}
        assert started == {(key, pipeline) for key in self.world.keys.values() for pipeline in PIPELINES}
        verdicts = self.world.final_verdicts()
        assert {verdict["message_id"] for verdict in verdicts} == self.world.keys.keys()
        arns = {verdict.get("execution_arn") for verdict in verdicts} - {None}
        assert arns == {one["arn"] for one in executions}
        started_by = {(one["execution_arn"], one["message_id"]) for one in verdicts if one["outcome"] == "STARTED"}
        assert len(started_by) == len({arn for arn, _ in started_by}), (
            "two messages report that they started the same execution"
        )


TestAnyHistory = History.TestCase
TestAnyHistory.settings = settings(stateful_step_count=40)


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_random_histories_of_functions_at_the_same_time_end_well(first: int) -> None:
    """Batches, clocks that differ, lost answers, kills and outages; ``make faults`` plays many more."""
    counts = measured(range(first, first + 10))
    assert counts["right"] == 10, counts
