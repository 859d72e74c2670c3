"""The ``deadline`` of a ``collect``: what it asks for and when, or what is wrong with that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline_triggers.documents import schedules, value_check
from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.dry_evaluation import problem_on_sample
from pipeline_triggers.documents.durations import seconds
from pipeline_triggers.documents.sample import SAMPLE_DAYS
from pipeline_triggers.documents.section import Section
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language import batch_values, cron, values
from pipeline_triggers.language.jsonata.rules import ExpressionError
from pipeline_triggers.language.sources.schedule import scheduled
from pipeline_triggers.models import Deadline
from pipeline_triggers.text import brief

_DAYS = re.compile(r"\$scheduled\s*\.\s*days\b")

# A Monday, at which a deadline is evaluated.
SAMPLE_TIME = "2026-11-23T07:00:00Z"


def read_deadline(raw: Mapping[str, Any]) -> Deadline:
    """Read a deadline of the right shape."""
    return Deadline(
        after=seconds(raw["after"]) if "after" in raw else None,
        cron=raw.get("cron"),
        timezone=raw.get("timezone", "UTC"),
        due=raw.get("due"),
        start_incomplete=raw.get("start_incomplete") == "true",
    )


def check_deadline(section: Section, raw: Mapping[str, Any], *, has_by: bool) -> None:
    """Check a deadline, whose section this is; ``has_by`` says that its trigger has a ``by``."""
    for path, message in _fields(raw, has_by=has_by):
        section.problem(path, message)
    if "cron" not in raw or not section.is_right():
        return
    times = {name: raw[name] for name in ("cron", "timezone")}
    for of_stage in section.fields_by_stage(times):
        for name, message in schedules.problems(of_stage):
            section.problem((name,) if name else (), message)
    if section.is_right():
        for of_stage in section.fields_by_stage({**times, "due": raw["due"]}):
            if problem := _due_problem(of_stage):
                section.problem(("due",), problem)


def _fields(raw: Mapping[str, Any], *, has_by: bool) -> Iterator[tuple[FieldPath, str]]:
    """Yield (a field, what is wrong) where fields do not go together."""
    if "cron" not in raw:
        for name in ("timezone", "due"):
            if name in raw and "after" in raw:
                yield (name,), "belongs to cron; leave it out"
        return
    if "timezone" not in raw:
        yield (), "needs a timezone, as in Europe/Berlin or UTC"
    if "due" not in raw:
        yield (), "needs due, the by that has to be complete then, as in {% $scheduled.days %}"
    elif not has_by:
        yield ("due",), "gives a by, but this trigger has none; write collect.by"


def _due_problem(fields: Mapping[str, str]) -> str | None:
    """Say what is wrong with a ``due``, evaluated at a time of its cron."""
    source = fields["due"]
    if source.startswith("$."):
        return f"{brief(source)} is a path into an event, and a deadline has none; write {{% $scheduled.… %}}"
    expression = values.expression(source)
    if expression is None:
        return value_check.check(source, None)
    bound = scheduled(SAMPLE_TIME, fields["timezone"])
    of_month = fields["cron"].split()[2]
    if cron.has_days(fields["cron"]):
        bound["days"] = SAMPLE_DAYS
    elif _DAYS.search(expression):
        if cron.time_of_day(fields["cron"]):
            return f"uses $scheduled.days, but AWS does not document which days {of_month} is; write LW or another day"
        return "uses $scheduled.days, but the cron fires more than once a day; name one minute and one hour"
    try:
        message = problem_on_sample(expression, {}, {"scheduled": bound}, _unusable)
    except ExpressionError as error:
        message = str(error)
    return f"{brief(source)} {message}".replace("such an event", "a time of the cron") if message else None


def _unusable(value: Any) -> str | None:
    try:
        batch_values.names("it", value, batch_values.MAX_BY_LENGTH)
    except Rejected:
        return "does not give a by or a list of them; write texts, as in {% $scheduled.date %}"
    return None
