"""``when: {event: …}``: any event of EventBridge, by a pattern of the document's own."""

from __future__ import annotations

from typing import Any

from pipeline_triggers.language.sources import sagemaker
from pipeline_triggers.language.sources.source import Field, Fields, Pattern, Source, Write


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
        "bus": Field("The name or ARN of the event bus. The default bus when left out."),
    },
    pattern=_pattern,
    # Detail-types of the other sources are read as there; these have no source of their own.
    detail_types={
        "SageMaker Transform Job State Change": sagemaker.job("TransformJob"),
        "SageMaker HyperParameter Tuning Job State Change": sagemaker.job("HyperParameterTuningJob"),
    },
    sample=lambda _fields: None,  # nobody can know such an event
)
