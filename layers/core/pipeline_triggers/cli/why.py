"""``triggers why``: the way from an event to its run, and where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pipeline_triggers.account import home
from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import complete_trigger, documents_option, json_option, stack_option
from pipeline_triggers.documents import loader
from pipeline_triggers.operations import stacks, why
from pipeline_triggers.operations.check_account import triggers_of
from pipeline_triggers.operations.why import Link, Question


@click.command("why")
@click.argument("subject", metavar="SUBJECT", shell_complete=complete_trigger)
@click.option("--hours", type=click.IntRange(min=1), default=24, show_default=True, help="How far back to look.")
@documents_option
@stack_option
@json_option
def why_command(subject: str, hours: int, directory: Path, stack: str, as_json: bool) -> None:
    """Say why something ran or did not: SUBJECT is s3://bucket/key, an event's id, a run's ARN, or a trigger.

    Shows each link from the event to the end of its run, with what proves it; the first one that is broken, and the
    command that fixes it. Changes nothing. Exits with 1 when a link is broken.
    """
    deployed = stacks.stack(stack)
    loaded = loader.load(directory)
    triggers = triggers_of(loaded, deployed.parameters["Stage"], home.current().pseudo_parameters())
    question = Question(deployed, triggers, datetime.now(UTC) - timedelta(hours=hours))
    links = list(_links(question, subject))
    broken = next((link for link in links if not link.goes_on), None)
    if as_json:
        output.data([asdict(link) for link in links])
    else:
        output.table(("link", "", "seen"), [(link.name, "ok" if link.goes_on else "ENDS", link.seen) for link in links])
        if broken and broken.fix:
            output.line(f"To fix it: {broken.fix}")
    if broken:
        raise click.exceptions.Exit(1)


def _links(question: Question, subject: str) -> Iterator[Link]:
    if subject.startswith("s3://"):
        bucket, _, key = subject.removeprefix("s3://").partition("/")
        if not key:
            raise output.usage_error(f"{subject} names no object; write s3://bucket/key")
        return why.of_object(question, bucket, key)
    if ":sagemaker:" in subject and "/execution/" in subject:
        return why.of_execution(question, subject)
    for trigger in question.triggers:
        if subject in (trigger.id, trigger.id.partition("/")[2]):
            return why.of_trigger(question, trigger)
    return why.of_event(question, subject)
