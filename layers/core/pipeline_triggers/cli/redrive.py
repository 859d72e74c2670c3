"""``triggers redrive``: dead letters are handled once more."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import (
    DOCUMENTS,
    complete_trigger,
    dry_run_option,
    json_option,
    stack_option,
    trigger_ids,
)
from pipeline_triggers.operations import redrive, stacks
from pipeline_triggers.operations.redrive import DeadLetter
from pipeline_triggers.text import did_you_mean


@click.command("redrive")
@click.option("--trigger", shell_complete=complete_trigger, help="Only dead letters of this trigger, <team>/<name>.")
@click.option("--reason", help="Only dead letters whose reason contains these words.")
@dry_run_option
@click.option(
    "--documents",
    "directory",
    type=click.Path(path_type=Path),
    default=DOCUMENTS,
    show_default=True,
    help="The folder whose triggers --trigger may name, besides those of dead letters.",
)
@stack_option
@json_option
def redrive_command(
    trigger: str | None, reason: str | None, dry_run: bool, directory: Path, stack: str, as_json: bool
) -> None:
    """Send dead letters to their handlers again, after a fix.

    Nothing starts twice: what was started before is a DUPLICATE.
    """
    seen: set[str] = set()

    def matches(letter: DeadLetter) -> bool:
        seen.add(letter.trigger)
        return trigger in (None, letter.trigger) and (reason or "").lower() in letter.reason.lower()

    deployed_stack = stacks.stack(stack)
    letters: Counter[DeadLetter] = Counter()
    try:
        with output.progress(redrive.waiting(deployed_stack)) as progress:
            for letter in redrive.redrive(deployed_stack, matches, dry_run=dry_run):
                letters[letter] += 1
                progress.advance(progress.task_ids[0])
    finally:
        # A run that broke off has sent some of them.
        if letters:
            _show(letters, "would be sent again" if dry_run else "sent again", as_json)
    if letters:
        return
    # A dead letter may name a trigger that the documents do not have any more.
    if trigger and trigger not in (known := {*trigger_ids(directory), *filter(None, seen)}):
        raise output.usage_error(f"no trigger {trigger}; {did_you_mean(trigger, sorted(known))}")
    if as_json:
        output.data([])
    else:
        output.line("no matching dead letters")


def _show(letters: Counter[DeadLetter], done: str, as_json: bool) -> None:
    if as_json:
        names = ("handler", "trigger", "reason", "left")
        output.data(
            [{name: getattr(letter, name) for name in names} | {"messages": count} for letter, count in letters.items()]
        )
        return
    rows = [
        (
            str(count),
            letter.trigger or letter.handler,
            f"left: {letter.left}" if letter.left else done,
            letter.reason or "none recorded",
        )
        for letter, count in letters.items()
    ]
    output.table(("messages", "trigger", "result", "reason"), rows)
