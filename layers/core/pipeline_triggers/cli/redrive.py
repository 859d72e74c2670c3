"""``triggers redrive``: what is in the dead-letter queues is handled once more."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict

import click
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from pipeline_triggers.cli.common import asking_the_account, console, json_option, stack_option
from pipeline_triggers.operations import redrive, stacks
from pipeline_triggers.operations.redrive import DeadLetter


@click.command("redrive")
@click.option("--trigger", help="Only what concerns this trigger, <team>/<name>.")
@click.option("--reason", help="Only what was given up for a reason that holds these words.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent again.")
@stack_option
@json_option
def redrive_command(trigger: str | None, reason: str | None, dry_run: bool, stack: str, as_json: bool) -> None:
    """Send what waits in the dead-letter queues to the handlers again, once what was wrong is mended.

    What was started before is not started twice: its verdict is DUPLICATE.
    """

    def wanted(letter: DeadLetter) -> bool:
        return trigger in (None, letter.trigger) and (reason or "").lower() in letter.reason.lower()

    found: Counter[DeadLetter] = Counter()
    try:
        with asking_the_account(), Progress(console=console(stderr=True), transient=True) as progress:
            there = stacks.stack(stack)
            task = progress.add_task("messages looked at", total=redrive.waiting(there))
            for letter in redrive.redrive(there, wanted, dry_run=dry_run):
                found[letter] += 1
                progress.advance(task)
    finally:
        # What broke off has sent some of it.
        if found:
            _show(found, "would be sent again" if dry_run else "sent again", as_json)
    if not found:
        click.echo("[]" if as_json else "nothing of this is in the dead-letter queues")


def _show(found: Counter[DeadLetter], done: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(letter) | {"messages": count} for letter, count in found.items()], indent=2))
        return
    table = Table("messages", "trigger", "reason", "", box=None, pad_edge=False)
    for letter, count in found.items():
        told = f"left: {letter.left}" if letter.left else done
        table.add_row(*map(Text, (str(count), letter.trigger or letter.handler, letter.reason or "none noted", told)))
    console().print(table)
