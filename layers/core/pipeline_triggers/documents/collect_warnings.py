"""What works, and is probably not what the author of a ``collect`` wants: found on uploads that its glob matches."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pipeline_triggers.documents.cron import never_fires
from pipeline_triggers.documents.deadline_check import SAMPLE_TIME
from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.sample import sample
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.language import batch_values, cron
from pipeline_triggers.language.jsonata import compile_expression
from pipeline_triggers.language.jsonata.tree import Node, walk
from pipeline_triggers.language.values import expression
from pipeline_triggers.models import Deadline, Occurrence, Trigger

# A trigger's id, a place in it, and what may be wrong there.
Warned = tuple[str, FieldPath, str]

# What the check computes of an upload: ``batch_values.by`` or ``part``.
Named = Callable[[Trigger, Occurrence], str]

# Years whose clock changes are looked at; zones change theirs seldom.
_YEARS = (2026, 2027)
_HOURS = frozenset({*(f"{hour:02}" for hour in range(24)), *(str(hour) for hour in range(25))})
_STAR = re.compile(r"\*\*|\*")


def warnings(triggers: Iterable[Trigger], limited: Collection[str]) -> Iterator[Warned]:
    """Yield what to warn of in the triggers of one stage, in which ``limited`` are the pipelines with limits."""
    for trigger in triggers:
        if trigger.when_busy == "skip" and not any(start.pipeline in limited for start in trigger.start):
            yield trigger.id, ("when_busy",), "never skips: no pipeline that it starts has limits; write limits for one"
        deadline = trigger.collect.deadline if trigger.collect else None
        for name, message in _of_deadline(trigger, deadline) if deadline and deadline.cron else ():
            yield trigger.id, ("collect", "deadline", name), message
        for view in trigger.views() if trigger.collect else ():
            for name, message in _of_view(view):
                yield trigger.id, ("collect", name), message


def _of_view(view: Trigger) -> Iterator[tuple[str, str]]:
    """Yield (a field of ``collect``, what is to be said of it) of one source."""
    collect = view.collect
    if collect is None:
        return
    if collect.by and _takes_the_time(collect.by):
        remedy = "so files that are loaded again (a backfill) go into another batch; take it from the key"
        yield "by", f"takes the event's time, {remedy}"
    elif collect.by and len(_names(view, batch_values.by, _files_of_a_folder(view))) > 1:
        yield "by", "differs from file to file, so each is a batch of its own; take what the files have in common"
    if collect.expect and collect.part and len(_names(view, batch_values.part, _files_of_a_folder(view))) == 1:
        remedy = "though other files may have the same; wait for a marker, as in key: sales/*/*/_SUCCESS"
        yield "part", f"is complete at its first file, {remedy}"
    if _counts_hours(view) and not _has_days_of_24_hours(collect.deadline):
        yield "expect", "asks for 24 hours, but a local day has 23 or 25 when the clocks change; take the hours in UTC"


def _of_deadline(trigger: Trigger, deadline: Deadline) -> Iterator[tuple[str, str]]:
    """Yield (a field of ``deadline``, what is to be said of it)."""
    expression_ = deadline.cron or ""
    if message := never_fires(expression_):
        yield "cron", f"{message}; write another day or month"
    elif skipped := _skipped(expression_, deadline.timezone):
        change = f"when the clocks of {deadline.timezone} go forward past it"
        yield "cron", f"does not fire on {skipped}, {change}, and reports nothing then; write another time"
    if never := _never_equal(trigger, deadline):
        due, by = never
        yield "due", f"gives {due}, but by gives values like {by}; write both in the same way"


def _files_of_a_folder(view: Trigger) -> list[Occurrence]:
    """Return two uploads whose keys differ in the last segment only; none where the glob has no star there."""
    folder, slash, name = view.when.fields.get("key", "**").rpartition("/")
    if view.when.source != "s3" or "*" not in name:
        return []
    return [_upload(view, _filled(folder + slash, ["a"]) + _filled(name, [text])) for text in ("x1", "y2")]


def _upload(view: Trigger, key: str) -> Occurrence:
    """Return the upload of a key, as the trigger's source sends it."""
    event = sample(view.when)
    if event is None:
        raise AssertionError(view.when)
    detail = event.event["detail"]
    changed = {**event.event, "detail": {**detail, "object": {**detail["object"], "key": key}}}
    return eventbridge.read(changed, view.when.source)


def _filled(glob: str, texts: Sequence[str]) -> str:
    """Return a key that a glob matches: the first star is the first text and so on, the last text stays."""
    left = list(texts)
    return _STAR.sub(lambda _: left.pop(0) if len(left) > 1 else left[0], glob)


def _names(view: Trigger, named: Named, uploads: Iterable[Occurrence]) -> set[str]:
    names = set()
    for upload in uploads:
        try:
            names.add(named(view, upload))
        except Rejected:  # an upload that the glob matches and this can't be computed of
            return set()
    return names


def _takes_the_time(by: str) -> bool:
    """Whether a ``by`` reads from the event when it happened."""
    text = expression(by)
    if text is None:
        return by in ("$.time", "$.Timestamp")
    paths = [node.steps if node.type == "path" else [node] for node in walk(compile_expression(text).tree)]
    return any(_is_time(steps) for steps in paths)


def _is_time(steps: Sequence[Node]) -> bool:
    first, *rest = steps
    if first.type == "name":
        return first.value in ("time", "Timestamp") and not rest
    is_message = first.type == "variable" and first.value == "message"
    return is_message and bool(rest) and rest[0].type == "name" and rest[0].value == "time"


def _counts_hours(view: Trigger) -> bool:
    expect = view.collect.expect if view.collect and not view.part else None
    return expect == 24 or (isinstance(expect, tuple) and len(expect) == 24 and _HOURS.issuperset(expect))


def _has_days_of_24_hours(deadline: Deadline | None) -> bool:
    """Whether a deadline names a zone, and that has no clock changes."""
    if deadline is None or deadline.cron is None:
        return False
    zone = ZoneInfo(deadline.timezone)
    return len({datetime.combine(day, time(12), zone).utcoffset() for day in _days()}) == 1


def _days() -> Iterator[date]:
    first, last = date(min(_YEARS), 1, 1), date(max(_YEARS), 12, 31)
    return (first + timedelta(days=at) for at in range((last - first).days + 1))


def _skipped(expression_: str, zone: str) -> date | None:
    """Return a day on which a cron has a time that a clock change leaves out."""
    times = cron.times_of_day(expression_)
    forward = (day for day in _days() if _offset(day, zone) < _offset(day + timedelta(days=1), zone))
    fires = (day for day in forward if cron.fires_on(expression_, day))
    return next((day for day in fires if any(not cron.exists(datetime.combine(day, at), zone) for at in times)), None)


def _offset(day: date, zone: str) -> timedelta:
    """Return how far a zone's clock is ahead of UTC when a day begins."""
    return datetime.combine(day, time(), ZoneInfo(zone)).utcoffset() or timedelta()


def _never_equal(trigger: Trigger, deadline: Deadline) -> tuple[str, str] | None:
    """Return what ``due`` gives and what a ``by`` is, where no upload that the globs match has such a ``by``."""
    views = [view for view in trigger.views() if view.when.source == "s3"]
    if not views or len(views) < len(trigger.views()):
        return None  # nobody knows the other sources' events
    try:
        due = batch_values.due(deadline, SAMPLE_TIME)[0]
    except Rejected:
        return None
    for view in views:
        glob = view.when.fields.get("key", "**")
        names = [_names(view, batch_values.by, [_upload(view, key)]) for key in _keys(glob, due)]
        examples = [name for some in names for name in some]
        if examples and due not in examples:
            return due, examples[0]
    return None


def _keys(glob: str, due: str) -> Iterator[str]:
    """Yield keys that a glob matches and that may belong to what is due: the text itself, or a date in other forms."""
    yield _filled(glob, [due])
    for at in range(len(_STAR.findall(glob))):
        yield _filled(glob, [*["a"] * at, due, "a"])
    try:
        day = date.fromisoformat(due)
    except ValueError:
        return
    parts = [f"{day.year:04}", f"{day.month:02}", f"{day.day:02}"]
    for at in range(len(_STAR.findall(glob))):
        for texts in (["".join(parts)], ["/".join(parts)], ["_".join(parts)], parts, [p.lstrip("0") for p in parts]):
            yield _filled(glob, [*["a"] * at, *texts, "a"])
