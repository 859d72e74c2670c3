"""SNS topics: those that several triggers use, of which their queue has one subscription, and those of ``notify``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from pipeline_triggers.documents.document import FieldPath
from pipeline_triggers.documents.section import Section
from pipeline_triggers.language.sources import topic, topic_filter, topic_problem
from pipeline_triggers.models import Trigger, all_views


def read_notify(section: Section) -> str | None:
    """Return the topic that hears of a document's triggers, whose section this is, as the document writes it."""
    written: str | None = section.document.without_wrong(()).get("notify")
    for resolved in dict.fromkeys(section.by_stage(("notify",), written)):
        if message := topic_problem(resolved):
            section.problem(("notify",), message)
    return written if section.is_right("notify") else None


def problems(written: Iterable[Trigger], of_stage: Iterable[Trigger]) -> Iterator[tuple[str, FieldPath, str]]:
    """Yield (a trigger, a path in it, what is wrong there); the triggers as the documents and as a stage have them."""
    spellings: dict[str, str] = {}
    users: dict[str, list[Trigger]] = defaultdict(list)
    for trigger, resolved in zip(all_views(written), all_views(of_stage), strict=True):
        arn, spelt = topic(resolved.when), topic(trigger.when)
        if arn is None or spelt is None:
            continue
        # Each spelling is compiled into a subscription, and SNS refuses the second one to a topic.
        if spellings.setdefault(arn, spelt) != spelt:
            message = f"is the topic that another trigger writes as {spellings[arn]}; write it the same way"
            yield trigger.id, (*_when(trigger), "topic"), message
        if trigger.enabled:
            users[arn].append(trigger)
    for arn, triggers in users.items():
        for trigger in triggers if len(triggers) > 1 else ():
            if topic_filter(trigger.when):
                message = f"filters {arn}, which other triggers use as well; write an if instead"
                yield trigger.id, _when(trigger), message


def _when(view: Trigger) -> FieldPath:
    return ("when", "all", view.part, "sns") if view.part else ("when", "sns")
