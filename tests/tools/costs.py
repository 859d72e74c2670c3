"""What a stack costs, from list prices: idle in a month, and for a million events.

AWS's price pages were not within reach: the prices are those that others quote from them, for us-east-1, in US dollars,
looked up on DATE. Other Regions cost up to a quarter more. Without the free tier.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests import PROJECT

DATE = "2026-11-21"

# Dollars: unit → (price, who quotes it and when).
PRICES = {
    "EventBridge, million custom or S3 events": (1.00, "wring.co, awsfundamentals.com; S3's taken as opt-in events"),
    "SQS, million requests": (0.40, "adhdecode.com; a price list of 2020 (gist of allenheltondev)"),
    "Lambda, million requests": (0.20, "a price list of 2020 (gist of allenheltondev)"),
    "Lambda, GB-second on arm64": (0.0000133334, "commonly quoted; not seen"),
    "DynamoDB, million writes": (0.625, "airbyte.com, 2025-07"),
    "DynamoDB, million reads": (0.125, "commonly quoted; not seen"),
    "DynamoDB, GB and month": (0.25, "commonly quoted; not seen"),
    "Scheduler, million invocations": (1.00, "commonly quoted; not seen"),
    "CloudWatch, alarm and month": (0.10, "commonly quoted; not seen"),
    "CloudWatch, dashboard and month": (3.00, "commonly quoted; not seen"),
    "CloudWatch, custom metric and month": (0.30, "signoz.io, 2026-02"),
    "CloudWatch, GB of logs": (0.50, "factualminds.com, 2026-06"),
}

# Lambda polls each queue five times in parallel, each time for up to 20 seconds; assumed from AWS's descriptions.
POLLS_A_MONTH = 5 * 3 * 60 * 24 * 30
SWEEPS_A_MONTH = 60 * 24 * 30  # on_batch looks each minute for what is due
READS_PER_SWEEP = 5
SWEEP_MEMORY = 1  # GB, of on_batch
OUTCOMES = 3  # that a usual team or trigger has, each a metric of its own
SECONDS_PER_EVENT = 0.1  # of a function of 512 MB: 8 ms of a processor, and four answers of AWS; rounded up
GB_OF_LOGS_PER_EVENT = 1e-6  # a verdict and its metric are about a kilobyte
GB_OF_ITEMS_PER_START = 4 * 1e-6  # a record of at most a kilobyte, and its copy in each index
MONTHS_KEPT = 3  # HistoryDays


@dataclass(frozen=True)
class Item:
    """A line of a bill."""

    what: str
    count: float
    price: str

    @property
    def dollars(self) -> float:
        """What it costs."""
        return self.count * PRICES[self.price][0]


def idle(alarms: int, queues: int, teams: int, triggers: int = 0) -> list[Item]:
    """Return what a stage costs in a month without events, and the metrics of teams, and triggers, that had some."""
    return [
        Item(f"{alarms} alarms", alarms, "CloudWatch, alarm and month"),
        Item("the dashboard", 1, "CloudWatch, dashboard and month"),
        Item(f"Lambda polls {queues} empty queues", queues * POLLS_A_MONTH / 1e6, "SQS, million requests"),
        Item("messages of its sweep each minute", 3 * SWEEPS_A_MONTH / 1e6, "SQS, million requests"),
        Item("its invocations", SWEEPS_A_MONTH / 1e6, "Lambda, million requests"),
        Item("their time", SWEEPS_A_MONTH * SECONDS_PER_EVENT * SWEEP_MEMORY, "Lambda, GB-second on arm64"),
        Item("their reads", SWEEPS_A_MONTH * READS_PER_SWEEP / 1e6, "DynamoDB, million reads"),
        Item("their schedule", SWEEPS_A_MONTH / 1e6, "Scheduler, million invocations"),
        Item(f"metrics of {teams} active teams", teams * OUTCOMES, "CloudWatch, custom metric and month"),
        Item(f"metrics of {triggers} active triggers", triggers * OUTCOMES, "CloudWatch, custom metric and month"),
    ]


# AWS's own events, such as SageMaker's of the end, cost nothing; ours does.
_ENDS = (
    Item("the runs' ends: begun, noted in four places, forgotten", 6, "DynamoDB, million writes"),
    Item("their events on the stack's bus", 1, "EventBridge, million custom or S3 events"),
    Item("their messages", 3, "SQS, million requests"),
    Item("their invocations", 1, "Lambda, million requests"),
)


def million(*, started: bool, memory: int) -> list[Item]:
    """Return what a million S3 uploads that match a trigger cost, each in an invocation of its own at worst."""
    items = [
        Item("S3's events to EventBridge", 1, "EventBridge, million custom or S3 events"),
        Item("send, receive, delete", 3, "SQS, million requests"),
        Item("invocations", 1, "Lambda, million requests"),
        Item("their logs", GB_OF_LOGS_PER_EVENT * 1e6, "CloudWatch, GB of logs"),
    ]
    if started:
        seconds = 1e6 * SECONDS_PER_EVENT * memory / 1024
        items += [
            Item("their time", seconds, "Lambda, GB-second on arm64"),
            Item("the ledger: begin, count, record", 3, "DynamoDB, million writes"),
            Item("the verdict's record and its three indexes", 4, "DynamoDB, million writes"),
            Item("kept for 90 days", 1e6 * GB_OF_ITEMS_PER_START * MONTHS_KEPT, "DynamoDB, GB and month"),
            *_ENDS,
        ]
    return items


def stage() -> tuple[int, int, int]:
    """Return the numbers of alarms and of queues with a function, and the usual function's memory in MB."""
    text = (PROJECT / "template.yaml").read_text(encoding="utf-8")
    memory = text.partition("    MemorySize: ")[2].partition("\n")[0]
    return text.count("Type: AWS::CloudWatch::Alarm\n"), text.count("Type: AWS::Serverless::Function\n"), int(memory)


def table() -> Iterator[str]:
    """Return the costs as rows of a Markdown table."""
    alarms, queues, memory = stage()
    sums = {
        "a month without events, for each stage": idle(alarms, queues, 0),
        "the same with ten active triggers of three teams": idle(alarms, queues, 3),
        "and with TriggerMetrics=on": idle(alarms, queues, 3, 10),
        "a million uploads that match no rule": million(started=False, memory=memory)[:1],
        "a million uploads that the handler filters": million(started=False, memory=memory),
        "a million uploads that start": million(started=True, memory=memory),
    }
    yield "| what | US dollars | of which |"
    yield "| --- | --- | --- |"
    for what, items in sums.items():
        parts = ", ".join(f"{item.what} {item.dollars:.2f}" for item in items if item.count)
        yield f"| {what} | {sum(item.dollars for item in items):.2f} | {parts} |"


def prices() -> Iterator[str]:
    """Return the prices as rows of a Markdown table."""
    yield "| price of | US dollars | quoted by |"
    yield "| --- | --- | --- |"
    for what, (dollars, source) in PRICES.items():
        yield f"| {what} | {dollars:.10f}".rstrip("0").rstrip(".") + f" | {source} |"
