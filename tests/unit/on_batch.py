"""A deployed stack's batches in moto: the table, the queue, and what takes its messages."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline_triggers.batches import messages, single
from pipeline_triggers.batches.join import Joining, collect
from pipeline_triggers.batches.models import Event, Rules, Target
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.services import Notice, Services
from pipeline_triggers.batches.store import Store
from pipeline_triggers.batches.table import Table
from pipeline_triggers.models import Run

JOIN = Rules(expect=("amer", "emea"), max_open=None)


@dataclass
class OnBatch:
    """What is deployed behind OnBatchQueue: it takes the messages, starts nothing, and keeps its verdicts."""

    sqs: Any
    queue: str
    table: Table
    notices: list[Notice] = field(default_factory=list)
    is_up: bool = True

    def targets(self, trigger: str) -> tuple[Target, ...]:
        """Return what the deployed triggers start."""
        return (Target("report" if trigger == "team/nightly" else "train"),)

    def report(self, notice: Notice) -> None:
        """Keep a verdict."""
        self.notices.append(notice)

    def send(self, sent: Sequence[Mapping[str, Any]]) -> None:
        """Turns are not taken here: what is asked for stays in the table."""

    def services(self) -> Services:
        """Return what the way of a batch needs."""
        mine: Any = self
        return Services(
            Store(self.table), Records(self.table), mine, mine, mine, time.time, lambda: 60.0, lambda _: None
        )

    def work(self, _: float = 0) -> None:
        """Process what is in the queue."""
        if self.is_up:
            for message in self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages", []):
                messages.process(json.loads(message["Body"]), self.services())
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])

    def collect(self, name: str, rules: Rules = JOIN, trigger: str = "team/days", by: str = "2026-10-31") -> str:
        """Collect an event, and return the id of its batch."""
        event = Event(name, name, trigger, by, rules, {"key": name}, part=name, size=1)
        (joined,) = collect([event], self.services())
        assert joined.joining is Joining.COLLECTED
        return joined.batch

    def queue_up(self, name: str, trigger: str = "team/nightly", pipeline: str = "report") -> str:
        """Let an event that is not collected wait for its turn."""
        return single.queue(Run(pipeline, {}, name, {}), trigger, 0, name, self.services()).batch
