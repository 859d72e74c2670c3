"""What works, and is probably not what the author of the documents wants to happen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline_triggers.documents import collect_warnings, direct, quotas, schedules
from pipeline_triggers.documents.double_starts import double_starts
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.documents.section import EXAMPLES
from pipeline_triggers.errors import Problem
from pipeline_triggers.language.globs import literal_prefix
from pipeline_triggers.language.stages import MANIFEST_BUCKET, resolve, resolve_trigger
from pipeline_triggers.models import Trigger, all_views

MANIFESTS = "batches/"  # the folder, as ``batches.manifest`` writes them


def warnings(documents: Documents, past: frozenset[str]) -> list[Problem]:
    """Return the warnings and notes about documents that are right.

    ``past`` says which times of schedules have passed (``schedules.past``).
    """
    problems = {
        *(documents.problem(trigger_id, ("when",), message, "warning") for trigger_id, message in _warnings(documents)),
        *(documents.problem(*place_and_message, "warning") for place_and_message in _of_batches(documents)),
        *(documents.problem(trigger_id, (), message, "note") for trigger_id, message in _notes(documents, past)),
    }
    if not documents.triggers:
        message = "the folder has no triggers; write them into a <team>.yaml"
        problems.add(Problem(documents.stages_file, 1, "", message, "warning"))
    return sorted(problems)


def _warnings(documents: Documents) -> Iterator[tuple[str, str]]:
    for values in documents.stages.values():
        triggers = [resolve_trigger(trigger, {**EXAMPLES, **values}) for trigger in documents.triggers]
        yield from double_starts(triggers)
        yield from schedules.warnings(triggers)
        yield from _fired_by_manifests(triggers, values.get(MANIFEST_BUCKET))
    yield from quotas.to_raise(documents.triggers, documents.stages)


def _fired_by_manifests(triggers: Sequence[Trigger], bucket: str | None) -> Iterator[tuple[str, str]]:
    """Yield the triggers on uploads that each manifest would fire: a loop, where they collect."""
    for view in all_views(triggers) if any(trigger.collect for trigger in triggers) else ():
        if view.when.source == "s3" and view.when.fields["bucket"] == bucket:
            beginning = literal_prefix(view.when.fields.get("key", "**"))
            if beginning.startswith(MANIFESTS) or MANIFESTS.startswith(beginning):
                yield (
                    view.id,
                    f"is fired by manifests, too, which are written to {MANIFESTS} of {bucket}; narrow the key",
                )


def _of_batches(documents: Documents) -> Iterator[collect_warnings.Warned]:
    for values in documents.stages.values():
        of_stage = {**EXAMPLES, **values}
        limited = {resolve(name, of_stage) for name in documents.limits}
        yield from collect_warnings.warnings(
            (resolve_trigger(trigger, of_stage) for trigger in documents.triggers), limited
        )


def _notes(documents: Documents, past: frozenset[str]) -> Iterator[tuple[str, str]]:
    yield from schedules.notes(documents.triggers, past)
    yield from direct.notes(documents.triggers)
