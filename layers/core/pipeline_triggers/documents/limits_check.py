"""The ``limits`` of documents: what their pipelines allow at a time, or what is wrong with that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline_triggers.documents.document import Document
from pipeline_triggers.documents.durations import seconds
from pipeline_triggers.documents.section import EXAMPLES, Section
from pipeline_triggers.documents.start_check import Allowed, check_names
from pipeline_triggers.errors import Problem
from pipeline_triggers.language.stages import Stages, resolve
from pipeline_triggers.models import Limits

# The time of each start of a day is kept in one item of the table, which has 400 KB at most.
MAX_PER_DAY = 5000


class Limited(NamedTuple):
    """The limits that a document gives a pipeline, whose name is as the document writes it."""

    document: Document
    pipeline: str
    limits: Limits


def read_limits(section: Section, allowed: Allowed) -> Iterator[Limited]:
    """Read the limits of a document, whose section this is."""
    raw = section.document.without_wrong(()).get("limits", {})
    for name, fields in raw.items():
        path = ("limits", name)
        check_names(section, path, section.by_stage(path, name), allowed)
        if int(fields.get("max_per_day", 1)) > MAX_PER_DAY:
            message = f"is {fields['max_per_day']}; write {MAX_PER_DAY} at most, or leave it out"
            section.problem((*path, "max_per_day"), message)
        limits = Limits(
            max_running=int(fields["max_running"]) if "max_running" in fields else None,
            min_interval=seconds(fields["min_interval"]) if "min_interval" in fields else None,
            max_per_day=int(fields["max_per_day"]) if "max_per_day" in fields else None,
        )
        if section.is_right(*path):
            yield Limited(section.document, name, limits)


def limited_twice(limited: Iterable[Limited], stages: Stages) -> Iterator[Problem]:
    """Yield each pipeline that has limits in two places in one of the stages."""
    for values in stages.values():
        first: dict[str, Limited] = {}
        for one in limited:
            pipeline = resolve(one.pipeline, {**EXAMPLES, **values})
            other = first.setdefault(pipeline, one)
            if other is not one:
                where = other.document.located(("limits", other.pipeline), "")
                message = f"{pipeline} has limits in {where.file}:{where.line} already; keep one of them"
                yield one.document.located(("limits", one.pipeline), message)
