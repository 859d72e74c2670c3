"""``triggers next``: when schedules fire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import click

from pipeline_triggers.cli import output
from pipeline_triggers.cli.options import check_stage, complete_trigger, documents_option, json_option, stage_option
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.next_times import next_times
from pipeline_triggers.documents.section import EXAMPLES
from pipeline_triggers.language.stages import resolve_trigger
from pipeline_triggers.models import Trigger, all_views
from pipeline_triggers.text import did_you_mean


@click.command("next")
@click.argument("name", metavar="[TRIGGER]", default="", shell_complete=complete_trigger)
@click.option("--count", type=click.IntRange(min=1, max=1000), default=5, show_default=True, help="Times of each.")
@documents_option
@stage_option
@json_option
def next_command(name: str, count: int, directory: Path, stage: str, as_json: bool) -> None:
    """Show when schedules fire next, in their own zone and in UTC: those of a trigger, or of all."""
    loaded = loader.load(directory)
    check_stage(loaded, stage)
    triggers = [resolve_trigger(one, {**EXAMPLES, **loaded.stages[stage]}) for one in loaded.triggers]
    scheduled = [view for view in all_views(triggers) if view.when.source == "schedule"]
    if name:
        ids = [view.id for view in scheduled]
        scheduled = [view for view in scheduled if name in (view.id, view.id.partition("/")[2])]
        if not scheduled:
            raise output.usage_error(f"no trigger on a schedule is called {name}; {did_you_mean(name, ids)}")
    rows = [row for view in scheduled for row in _rows(view, count)]
    if as_json:
        names = ("trigger", "local", "utc", "note")
        output.data([dict(zip(names, row, strict=True)) for row in rows])
    else:
        output.table(("trigger", "local", "UTC", ""), rows)


def _rows(view: Trigger, count: int) -> Iterator[tuple[str, str, str, str]]:
    fields = view.when.fields
    notes = [f"up to {fields['jitter']} minutes later"] if "jitter" in fields else []
    notes += [] if view.enabled else ["disabled"]
    times = next_times(view.when, datetime.now(UTC))
    if times is None:
        yield view.id, "", "", ", ".join([f"every {fields['rate']} from its deployment", *notes])
        return
    shown = list(islice(times, count))
    for time in shown:
        local = f"{time:%a %Y-%m-%d %H:%M} {time.tzinfo}"
        yield view.id, local, f"{time.astimezone(UTC):%Y-%m-%d %H:%M}", ", ".join(notes)
    if not shown:
        yield view.id, "", "", ", ".join(["never again", *notes])
