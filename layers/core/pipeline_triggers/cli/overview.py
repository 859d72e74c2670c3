"""What ``triggers list`` and ``triggers graph`` add for a deployed stack."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

from pipeline_triggers.cli import output
from pipeline_triggers.cli.deployed import deployment
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.doctor.deployment import Deployment
from pipeline_triggers.operations.overview import outcomes, overview

A_DAY = timedelta(days=1)


def show_overview(directory: Path, stack: str, *, as_json: bool) -> None:
    """Print the triggers of a deployed stack."""
    rows = list(overview(deployment(directory, stack)))
    if as_json:
        output.data([asdict(row) for row in rows])
        return
    headings = ("trigger", "state", "last event", "verdict", "last run", "waiting", "paused", "documents here")
    cells = [
        (
            row.trigger,
            row.state,
            row.last_event.partition(".")[0],
            row.last_verdict,
            row.last_run,
            str(row.waiting or ""),
            row.paused,
            row.drift or "the same",
        )
        for row in rows
    ]
    output.table(headings, cells)


def last_day_of(stack: str) -> dict[str, Counter[str]]:
    """Return the outcomes of the last day by trigger."""
    return outcomes(Deployment(stacks.stack(stack)), A_DAY)
