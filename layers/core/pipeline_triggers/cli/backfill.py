"""``triggers backfill``: what came before its trigger, or never came."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pipeline_triggers import aws
from pipeline_triggers.cli import output
from pipeline_triggers.cli.deployed import DeployedTriggers, deployed
from pipeline_triggers.cli.events import STARTS
from pipeline_triggers.cli.options import documents_option, dry_run_option, stack_option, trigger_argument
from pipeline_triggers.history.table import History
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.models import Trigger
from pipeline_triggers.operations import backfill, describe
from pipeline_triggers.operations.backfill import Item, Target
from pipeline_triggers.operations.explain import Explanation

SHOWN = 10  # of each outcome

moment = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"])


@click.command("backfill")
@trigger_argument
@click.option("--part", default="", help="With when.all: the part whose events they are.")
@click.option("--prefix", help="Objects of the trigger's bucket whose keys begin with this.")
@click.option(
    "--keys",
    type=click.File(encoding="utf-8"),
    help="A file with keys of the trigger's bucket, one in each line; - for standard input.",
)
@click.option(
    "--between", nargs=2, type=moment, help="Objects last modified, or scheduled times, between two UTC times."
)
@click.option("--again", default="", help="Start even what was started; the name tells this time from all others.")
@click.option("--rate", type=click.FloatRange(0.01, 10), default=1.0, show_default=True, help="Events per second.")
@click.option(
    "--leave",
    type=click.IntRange(min=0),
    default=15,
    show_default=True,
    help="Leave objects of the last so many minutes to their own events, which may be on their way.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@dry_run_option
@documents_option
@stack_option
def backfill_command(
    name: str,
    part: str,
    prefix: str | None,
    keys: click.utils.LazyFile | None,
    between: tuple[datetime, datetime] | None,
    again: str,
    rate: float,
    leave: int,
    yes: bool,
    dry_run: bool,
    directory: Path,
    stack: str,
) -> None:
    """Send objects, or scheduled times, to a trigger's handler as if their events came now.

    Shows what would start first, and asks. What was started or collected before is a DUPLICATE, so that a backfill
    that broke off is run again. Few messages at a time are in the queue, so that live events do not wait behind them.

    Exits with 1 when something can't be started.
    """
    here = deployed(directory, stack)
    view = _view(here.trigger(name), part)
    target = Target(view, History(aws.dynamodb(), here.stack.resources["HistoryTable"]), again)
    items = list(_items(here, view, prefix, keys, between, datetime.now(UTC) - timedelta(minutes=leave)))
    with output.progress(len(items)) as progress:
        explained = []
        for item in items:
            explained.append((item, target.preview(item)))
            progress.advance(progress.task_ids[0])
    _show(explained)
    sending = [item for item, explanations in explained if any(one.outcome in STARTS for one in explanations)]
    refused = len([item for item, explanations in explained if any(one.outcome in _REFUSED for one in explanations)])
    if sending and not dry_run:
        if not yes:
            click.confirm(f"Send {_count(len(sending))}?", abort=True, err=True)
        _send(target, here.stack.resources[f"{SOURCES[view.when.source].handler}Queue"], sending, rate)
    if refused:
        raise output.Failed(f"{_count(refused)} can't be started, for the reasons above")


_REFUSED = frozenset({"REJECTED", "UNKNOWN"})


def _send(target: Target, queue: str, items: Sequence[Item], rate: float) -> None:
    with output.progress(len(items)) as progress:
        for number in backfill.send(target, queue, items, rate, time.sleep):
            progress.advance(progress.task_ids[0], number)
    output.line(f"{_count(len(items))} sent; triggers history --trigger {target.view.id} shows what became of them")


def _view(trigger: Trigger, part: str) -> Trigger:
    view = trigger.view(part)
    if view is None:
        raise output.usage_error(
            f"{trigger.id} has no part {part!r}; name one with --part: {', '.join(trigger.all_of)}"
        )
    if view.direct or view.when.source not in ("s3", "schedule"):
        raise output.usage_error(
            f"{trigger.id} is not on uploads or a schedule with a handler, which alone can be listed"
        )
    return view


def _items(
    here: DeployedTriggers,
    view: Trigger,
    prefix: str | None,
    keys: click.utils.LazyFile | None,
    between: tuple[datetime, datetime] | None,
    until: datetime,
) -> Iterator[Item]:
    """Give what is to be backfilled, objects modified until a time; end the command when the options do not say."""
    begin, end = (one.replace(tzinfo=UTC) for one in between or (datetime.min, datetime.max))
    if view.when.source == "schedule":
        if not between or prefix is not None or keys:
            raise output.usage_error(f"{view.id} is on a schedule; write --between")
        yield from backfill.times(view, describe.schedule(here.stack, view), begin, min(end, datetime.now(UTC)))
        return
    if prefix is None and not keys and not between:
        raise output.usage_error("write --prefix, --keys or --between; --prefix '' means all that the trigger matches")
    if keys:
        items = backfill.named_objects(view, filter(None, map(str.strip, keys)), until)
    else:
        items = backfill.objects(view, prefix or "", until)
    yield from (item for item in items if begin <= datetime.fromisoformat(item.event["time"]) <= end)


def _show(explained: Sequence[tuple[Item, Sequence[Explanation]]]) -> None:
    """Show the first few of each outcome with their values, and how many there are."""
    seen: Counter[str] = Counter()
    rows = []
    for item, explanations in explained:
        for one in explanations:
            seen[one.outcome] += 1
            if seen[one.outcome] <= SHOWN:
                values = [f"{name} = {value}" for name, value in (one.parameters or {}).items()]
                about = item.subject if item.subject.startswith("s3://") else item.version
                rows.append((about, one.outcome, one.pipeline or "", "\n".join(filter(None, [one.reason, *values]))))
    if rows:
        output.table(("event", "outcome", "pipeline", "reason, parameters"), rows)
    counts = ", ".join(f"{number} {outcome}" for outcome, number in seen.items())
    output.line(f"{_count(len(explained))}: {counts}" if explained else "nothing to backfill")


def _count(number: int) -> str:
    return f"{number} event{'' if number == 1 else 's'}"
