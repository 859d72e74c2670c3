"""``triggers doctor``: what is or will be broken in a deployed stack, each with the command that fixes it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.deployed import deployment
from pipeline_triggers.cli.options import complete_trigger, documents_option, json_option, stack_option
from pipeline_triggers.operations.doctor.checks import CHECKS, examine
from pipeline_triggers.operations.doctor.deployment import Deployment
from pipeline_triggers.operations.doctor.probe import probe
from pipeline_triggers.text import did_you_mean


@click.command("doctor")
@click.option("--trigger", shell_complete=complete_trigger, help="Only what this trigger needs, <team>/<name>.")
@click.option(
    "--probe", "is_probe", is_flag=True, help="Send a message without an event through the trigger's handler."
)
@documents_option
@stack_option
@json_option
def doctor_command(trigger: str | None, is_probe: bool, directory: Path, stack: str, as_json: bool) -> None:
    """Say what is or will be broken in the deployed stack.

    The most likely cause comes first, each with the command that fixes it. It only reads, but for --probe, which
    starts nothing. The exit code is 1 if it finds something.
    """
    if is_probe and not trigger:
        raise output.usage_error("--probe needs --trigger TEAM/NAME, whose handler gets the message")
    here = deployment(directory, stack, trigger)
    if trigger and not here.triggers:
        known = sorted(one.id for one in Deployment(here.stack).triggers)
        raise output.usage_error(f"stack {stack} has no trigger {trigger}; {did_you_mean(trigger, known)}")
    if is_probe:
        _probe(here, as_json=as_json)
        return
    findings = []
    with output.progress(len(CHECKS)) as progress:
        for finding in examine(here):
            findings.append(finding)
            progress.advance(progress.task_ids[0])
    if as_json:
        output.data([asdict(finding) for finding in findings])
    elif findings:
        output.table(("cause", "finding and fix"), [(one.cause, f"{one.message}\n→ {one.fix}") for one in findings])
    else:
        output.line(f"{len(here.triggers)} triggers OK")
    raise SystemExit(1 if any(finding.seen for finding in findings) else 0)


def _probe(here: Deployment, *, as_json: bool) -> None:
    (trigger,) = here.triggers
    if trigger.direct:
        raise output.usage_error(f"{trigger.id} is delivered directly, without a handler to probe")
    steps = list(probe(here.stack, trigger))
    if as_json:
        output.data([asdict(step) for step in steps])
    else:
        output.table(("link", "seen"), [(step.link, step.seen) for step in steps])
    raise SystemExit(0 if all(step.works for step in steps) else 1)
