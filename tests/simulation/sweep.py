"""``make janitor``: a sweep over 10,000 schedules while AWS throttles one call in twenty.

Every orphan is removed and nothing else, over several invocations; its calls to AWS are counted.
"""

from __future__ import annotations

import io
import math
import random
import sys
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass

from botocore.awsrequest import AWSResponse
from moto.scheduler.models import scheduler_backends
from rich.console import Console
from rich.table import Table

from tests.localaws import ACCOUNT, REGION
from tests.simulation.janitor_world import ROLE, THROTTLED, Account, answered, native, schedules, universal

SCHEDULES, PIPELINES, GONE, ORPHANS, UNIVERSAL_TARGETS = 10_000, 200, 10, 300, 1_000

BUSES = ("default", "stack")

# Throttled calls are not counted.
THROTTLED_SHARE = 0.05


@dataclass(frozen=True)
class Swept:
    """What a sweep left, and the calls that it made."""

    left: set[str]
    expected: set[str]
    calls: Counter[str]
    throttled: int
    invocations: int

    def allowed(self) -> dict[str, int]:
        """Return how many calls of each kind there may be, at most."""
        again = self.invocations - 1  # an invocation that was throttled leaves its page to the next
        return {
            "ListSchedules": math.ceil(SCHEDULES / 100) + again,
            "ListEventBuses": len(BUSES) + again,
            "ListRules": len(BUSES) + again,
            # Each universal target, and each orphan for its snapshot.
            "GetSchedule": UNIVERSAL_TARGETS + ORPHANS + again,
            # Each pipeline once, those that are gone once in each invocation, and right before each removal.
            "DescribePipeline": PIPELINES + GONE * again + ORPHANS,
            # All names when a pipeline is gone, and those of new pipelines before each removal.
            "ListPipelines": 1 + again + ORPHANS,
            "DescribeStackResources": ORPHANS + again,
            "PutItem": ORPHANS + again,
            "PutItem claim": self.invocations + 1,  # of each message, and of the end
            "DeleteSchedule": ORPHANS,
            "SendMessage": again,
            "PutEvents": 1,
        }


def sweep(account: Account) -> Swept:
    """Let the janitor sweep an account."""
    account.configure(MOST_REMOVALS=str(ORPHANS))
    chance = random.Random(7)  # noqa: S311 - the same account every time
    names = [f"pipeline-{number:03}" for number in range(PIPELINES)]
    account.pace = 0.2
    account.sagemaker.pipelines = dict.fromkeys(names[: PIPELINES - GONE], 0.0)
    expected = fill(account, names, chance)
    throttled: list[str] = []

    def before(name: str, _: int) -> AWSResponse | None:
        if name in ("SendMessage", "DescribeStackResources") or chance.random() >= THROTTLED_SHARE:
            return None
        throttled.append(name)
        return answered(400, THROTTLED)

    account.before = before
    account.work('{"sweep": "remove"}')
    account.before = lambda *_: None
    calls = Counter(account.calls)
    calls.subtract(throttled)
    return Swept(schedules(), expected, calls, len(throttled), account.invocations)


def fill(account: Account, names: list[str], chance: random.Random) -> set[str]:
    """Make the schedules, of which some start pipelines that are gone; return those that have to stay."""
    backend = scheduler_backends[ACCOUNT][REGION]
    backend.create_schedule_group("team", [])
    gone = names[len(account.sagemaker.pipelines) :]
    kinds = [universal] * UNIVERSAL_TARGETS + [native] * (SCHEDULES - UNIVERSAL_TARGETS)
    starts = [*(chance.choice(gone) for _ in range(ORPHANS))]
    starts += [names[number % len(account.sagemaker.pipelines)] for number in range(SCHEDULES - ORPHANS)]
    chance.shuffle(kinds)
    chance.shuffle(starts)
    stay = set()
    for number, (kind, pipeline) in enumerate(zip(kinds, starts, strict=True)):
        group = ("default", "team")[number % 2]
        backend.create_schedule(
            description="",
            end_date=None,
            flexible_time_window={"Mode": "OFF"},
            group_name=group,
            kms_key_arn=None,
            name=f"s-{number:05}",
            schedule_expression="rate(1 day)",
            schedule_expression_timezone=None,
            start_date=None,
            state="ENABLED",
            target={"RoleArn": ROLE, **kind(pipeline)},
            action_after_completion=None,
        )
        if pipeline in account.sagemaker.pipelines:
            stay.add(f"{group}/s-{number:05}")
    return stay


def main() -> int:
    """Print the calls, and what is left; the exit code says whether it is right."""
    with Account().installed() as account, redirect_stdout(io.StringIO()):
        swept = sweep(account)
    table = Table("call", "made", "expected at most", box=None, pad_edge=False)
    for name, most in swept.allowed().items():
        table.add_row(name, str(swept.calls[name]), str(most))
    console = Console(highlight=False)
    console.print(f"{SCHEDULES} schedules of {PIPELINES} pipelines, {ORPHANS} of them orphans,", end=" ")
    console.print(
        f"{UNIVERSAL_TARGETS} universal targets; {swept.invocations} invocations, {swept.throttled} throttles"
    )
    console.print(table)
    missed, wrong = len(swept.left - swept.expected), len(swept.expected - swept.left)
    console.print(f"{missed} orphans missed, {wrong} others removed")
    within = all(swept.calls[name] <= most for name, most in swept.allowed().items())
    return 0 if within and not missed and not wrong else 1


if __name__ == "__main__":
    sys.exit(main())
