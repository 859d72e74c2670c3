"""``triggers history`` and ``tail``: what became of events and runs, from the records and as it happens."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.deployed import deployed
from pipeline_triggers.cli.options import complete_trigger, documents_option, json_option, stack_option
from pipeline_triggers.history.record import timestamp
from pipeline_triggers.models import Outcome, Verdict
from pipeline_triggers.operations import history, stacks
from pipeline_triggers.operations.history import Wanted
from pipeline_triggers.operations.verdict_log import HANDLERS_LOGS, new_verdicts
from pipeline_triggers.text import span

OUTCOMES = [str(outcome) for outcome in Outcome if outcome is not Outcome.FILTERED]
PAUSE = 2.0  # seconds between two looks at the logs

trigger_option = click.option(
    "--trigger", "name", metavar="TRIGGER", shell_complete=complete_trigger, help="Only this trigger's."
)


@click.command("history")
@trigger_option
@click.option(
    "--outcome",
    multiple=True,
    type=click.Choice(OUTCOMES, case_sensitive=False),
    help="Only this; repeatable.",
)
@click.option("--subject", default="", help="Only about this: s3://bucket/key, a resource's ARN, a batch's by.")
@click.option("--since", metavar="TIME", help="From then on: a date-time with its offset. [default: a day ago]")
@click.option("--until", metavar="TIME", help="Up to then: a date-time with its offset.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many, the newest.")
@documents_option
@stack_option
@json_option
def history_command(
    name: str | None,
    outcome: tuple[str, ...],
    subject: str,
    since: str | None,
    until: str | None,
    limit: int,
    directory: Path,
    stack: str,
    as_json: bool,
) -> None:
    """List what became of events and runs, the newest first: from the records, which have all but FILTERED."""
    here = deployed(directory, stack)
    day_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    former = {trigger.id: trigger.was for trigger in here.triggers}
    # A trigger that was removed has records, too.
    id_ = name if name and "/" in name else here.trigger(name).id if name else ""
    wanted = Wanted(
        trigger=id_,
        was=former.get(id_, ()),
        subject=subject,
        outcomes=frozenset(map(str.upper, outcome)),
        since=_time("--since", since or ("1970-01-01T00:00Z" if subject else day_ago)),
        until=_time("--until", until) if until else "9",
    )
    ids = [one for trigger in here.triggers for one in (trigger.id, *trigger.was)]
    found = history.records(history.of_stack(here.stack), wanted, ids, limit)
    if as_json:
        output.data(list(map(history.as_json, found)))
    elif found:
        output.table(("time", "verdict", "trigger", "about", "what"), [(one.at, *_cells(one.verdict)) for one in found])
    else:
        output.line("no records; FILTERED is in the logs only: triggers why")


@click.command("tail")
@trigger_option
@documents_option
@stack_option
@json_option
def tail_command(name: str | None, directory: Path, stack: str, as_json: bool) -> None:
    """Print verdicts as they fall, FILTERED included, until Ctrl-C: from the logs, which are seconds behind."""
    trigger = deployed(directory, stack).trigger(name).id if name else None
    deployed_stack = stacks.stack(stack)
    groups = [deployed_stack.resources[log] for log in HANDLERS_LOGS if log in deployed_stack.resources]
    conditions = {"trigger": trigger} if trigger else {}
    try:
        for logged in new_verdicts(groups, datetime.now(UTC), lambda: time.sleep(PAUSE), **conditions):
            if as_json:
                output.data([logged.as_json()])
            else:
                at = timestamp(logged.at.timestamp())
                output.line("  ".join(filter(None, (at, *_cells(logged.verdict)))))
    except KeyboardInterrupt:
        return


def _time(option: str, text: str) -> str:
    """Return a time as records have it."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise output.usage_error(f"{option} {text} is not a date-time; write 2026-12-01T08:00+01:00") from error
    if moment.tzinfo is None:
        raise output.usage_error(f"{option} {text} needs an offset, as in {text}Z for UTC or {text}+01:00")
    return timestamp(moment.timestamp())


def _cells(verdict: Verdict) -> tuple[str, str, str, str]:
    """Return the outcome, the trigger, what it is about, and what came of it."""
    took = f"after {span(verdict.seconds)}" if verdict.seconds is not None else ""
    batch = f"batch {verdict.batch[:12]}" if verdict.batch else ""
    values = ", ".join(f"{name}={value}" for name, value in (verdict.parameters or {}).items())
    what = (verdict.pipeline, took, batch, verdict.reason, verdict.execution_arn, values)
    return str(verdict.outcome), verdict.trigger, verdict.subject or verdict.event_id, " ".join(filter(None, what))
