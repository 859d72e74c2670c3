"""CloudFormation's quotas for one template, and the trigger at which the compiled stack exceeds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pipeline_triggers.compile.cloudformation import Resource, logical_id
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import Problem
from pipeline_triggers.models import all_views

RESOURCES = 500  # quota "resources per template"; it can't be raised
TEMPLATE_BYTES = 1_000_000  # quota "template body size"

_REMEDY = "move it and the triggers after it to a second stack (docs/operations.md)"


def problems(documents: Documents, resources: Mapping[str, Resource], text: str) -> Iterator[Problem]:
    """Yield what a compiled stack exceeds, at the first trigger in the documents' order that does not fit any more."""
    own = {
        name: view.id
        for view in all_views(documents.triggers)
        for of, kind in ((view.view_id, "Rule"), (view.view_id, "Schedule"), (view.id, "Deadline"))
        if (name := logical_id(of, kind)) in resources
    }
    lengths = _lengths(text)
    for total, of_resource, limit, what in (
        (len(resources), dict.fromkeys(resources, 1), RESOURCES, "resources"),
        (len(text.encode()), lengths, TEMPLATE_BYTES, "bytes"),
    ):
        if total > limit:
            room = limit - total + sum(of_resource[name] for name in own)
            for name, trigger_id in own.items():
                room -= of_resource[name]
                if room < 0:
                    message = f"is where the stack gets too large: all triggers need {total} {what}, and CloudFormation"
                    yield documents.problem(trigger_id, (), f"{message} takes {limit}; {_REMEDY}")
                    break


def _lengths(text: str) -> dict[str, int]:
    """Return the bytes of each resource by its name."""
    _, *names_and_bodies = re.split(r"^  (\w+):\n", text, flags=re.MULTILINE)
    pairs = zip(names_and_bodies[::2], names_and_bodies[1::2], strict=True)
    return {name: len(f"  {name}:\n{body}".encode()) for name, body in pairs}
