"""``when: {event: …}``: any event of EventBridge, by a pattern of the document's own."""

from __future__ import annotations

import re
from typing import Any

from pipeline_triggers.language.sources import sagemaker
from pipeline_triggers.language.sources.source import Field, Fields, Pattern, Source, Write
from pipeline_triggers.text import brief


def written(value: Any, write: Write) -> Any:
    """Write all texts of a pattern, names excepted."""
    match value:
        case str():
            return write(value)
        case dict():
            return {key: written(item, write) for key, item in value.items()}
        case list():
            return [written(item, write) for item in value]
        case _:
            return value


_BUS = re.compile(r"(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}")


def _bus_problem(bus: str) -> str | None:
    return None if _BUS.fullmatch(bus) else f"{brief(bus)} is not an event bus; write its name or its ARN"


def _pattern(fields: Fields, write: Write) -> Pattern:
    return dict(written(fields["pattern"], write))


SOURCE = Source(
    name="event",
    description="Any event that EventBridge carries.",
    handler="OnEvent",
    fields={
        "pattern": Field(
            "An event pattern, as the console writes it; scalars without quotes are JSON where they are JSON"
            " (5, true).",
            required=True,
            schema={"type": "object", "minProperties": 1},
        ),
        "bus": Field("The name or ARN of the event bus. The default bus when left out.", problem=_bus_problem),
    },
    pattern=_pattern,
    # Detail-types of the other sources are read as there; these have no source of their own.
    detail_types={
        "SageMaker Transform Job State Change": sagemaker.job("TransformJob"),
        "SageMaker HyperParameter Tuning Job State Change": sagemaker.job("HyperParameterTuningJob"),
    },
    sample=lambda _fields: None,  # nobody can know such an event
)
