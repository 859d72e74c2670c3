"""``triggers dead-letters``: list, show, redrive or discard the messages that could not be handled."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import complete_trigger, json_option, stack_option
from pipeline_triggers.cli.redrive import redrive_command
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.discard import discard
from pipeline_triggers.operations.redrive import DeadLetter, take, waiting
from pipeline_triggers.text import span

SHOWN_ID = 8  # characters of a message's id; enough for show and discard

_trigger_option = click.option(
    "--trigger", shell_complete=complete_trigger, help="Only dead letters of this trigger, <team>/<name>."
)
_reason_option = click.option("--reason", help="Only dead letters whose reason contains these words.")
_ids_argument = click.argument("ids", metavar="ID...", nargs=-1)


@click.group("dead-letters", invoke_without_command=True)
@click.pass_context
def dead_letters_command(ctx: click.Context) -> None:
    """List, show, redrive or discard what could not be handled.

    Without a subcommand it lists. While a list is read, the messages are hidden from other readers for seconds.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command)


@dead_letters_command.command("list")
@_trigger_option
@_reason_option
@stack_option
@json_option
def list_command(trigger: str | None, reason: str | None, stack: str, as_json: bool) -> None:
    """List dead letters, the oldest first: age, trigger, subject, event id and reason."""
    letters = _found(stack, _matching((), trigger, reason))
    if as_json:
        output.data([_as_json(letter) for letter in letters])
    elif letters:
        now = datetime.now(UTC)
        rows = [
            (
                _contents(letter).id[:SHOWN_ID],
                span((now - _contents(letter).sent_at).total_seconds()),
                letter.trigger or letter.handler,
                _contents(letter).subject,
                _contents(letter).event_id,
                letter.reason or "none recorded",
            )
            for letter in letters
        ]
        output.table(("id", "age", "trigger", "subject", "event id", "reason"), rows)
    else:
        output.line("no matching dead letters")


@dead_letters_command.command("show")
@_ids_argument
@stack_option
@json_option
def show_command(ids: tuple[str, ...], stack: str, as_json: bool) -> None:
    """Show dead letters in full; the first characters of an id are enough."""
    letters = _found(stack, _matching(_needed(ids), None, None))
    _check_found(ids, letters)
    if as_json:
        output.data([_as_json(letter) for letter in letters])
        return
    for letter in letters:
        contents = _contents(letter)
        output.labelled("id", contents.id)
        output.labelled("sent", contents.sent_at.isoformat(timespec="seconds"))
        output.labelled("queue", f"{letter.handler}DeadLetterQueue")
        output.labelled("trigger", letter.trigger or "unknown")
        output.labelled("subject", contents.subject or "unknown")
        output.labelled("reason", letter.reason or "none recorded")
        for name, value in contents.attributes.items():
            if name not in ("reason", "trigger"):
                output.labelled(name, value)
        output.labelled("message", *_pretty(contents.body).splitlines())


@dead_letters_command.command("discard")
@_ids_argument
@_trigger_option
@click.option("--all", "everything", is_flag=True, help="All dead letters of the stack, or of the trigger.")
@click.option("--reason", required=True, help="Why nobody needs them; it is recorded with your name.")
@stack_option
def discard_command(ids: tuple[str, ...], trigger: str | None, everything: bool, reason: str, stack: str) -> None:
    """Delete dead letters that nobody needs.

    Each becomes a verdict DISCARDED, with its event, who discarded it, and why.
    """
    if bool(ids) == everything:
        raise output.usage_error("name the ids of dead letters, as triggers dead-letters lists them, or --all")
    letters = list(discard(stacks.stack(stack), _matching(ids, trigger, None), reason))
    _check_found(ids, letters)
    left = sum(bool(letter.left) for letter in letters)
    output.line(f"discarded {len(letters) - left} dead letters" + (f"; {left} arrived meanwhile" if left else ""))


dead_letters_command.add_command(redrive_command)


def _matching(ids: tuple[str, ...], trigger: str | None, reason: str | None) -> Callable[[DeadLetter], bool]:
    def matches(letter: DeadLetter) -> bool:
        named = not ids or _contents(letter).id.startswith(ids)
        return named and trigger in (None, letter.trigger) and (reason or "").lower() in letter.reason.lower()

    return matches


def _found(stack: str, matches: Callable[[DeadLetter], bool]) -> list[DeadLetter]:
    """Return the matching dead letters of a stack, the oldest first."""
    deployed = stacks.stack(stack)
    letters = []
    with output.progress(waiting(deployed)) as progress:
        for letter in take(deployed, matches):
            letters.append(letter)
            progress.advance(progress.task_ids[0])
    return sorted(letters, key=lambda letter: _contents(letter).sent_at)


def _needed(ids: tuple[str, ...]) -> tuple[str, ...]:
    if not ids:
        raise output.usage_error("name the ids of dead letters, as triggers dead-letters lists them")
    return ids


def _check_found(ids: tuple[str, ...], letters: list[DeadLetter]) -> None:
    """End the command when an id is of no dead letter."""
    for id_ in ids:
        if not any(_contents(letter).id.startswith(id_) for letter in letters):
            raise output.Failed(f"no dead letter {id_}; triggers dead-letters lists them")


def _contents(letter: DeadLetter) -> Any:
    return letter.contents


def _as_json(letter: DeadLetter) -> dict[str, Any]:
    contents = _contents(letter)
    return {
        "id": contents.id,
        "sent_at": contents.sent_at.isoformat(timespec="seconds"),
        "queue": f"{letter.handler}DeadLetterQueue",
        "trigger": letter.trigger,
        "subject": contents.subject,
        "event_id": contents.event_id,
        "reason": letter.reason,
        "attributes": dict(contents.attributes),
        "message": contents.body,
    }


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return body
