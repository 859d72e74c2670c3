"""What a trigger's expressions ask for that its events do not carry, and what a handler may then ask of AWS.

Nothing is asked, and nothing is allowed, for an expression that does not name it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline_triggers.expressions import Node, compile_expression, walk
from pipeline_triggers.models import Trigger
from pipeline_triggers.parameters import expression
from pipeline_triggers.stages import REFERENCE

# A variable, and a field of it.
Need = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """The actions that answer a need, and the ARNs that they are for; ``{bucket}`` is the trigger's."""

    actions: tuple[str, ...]
    arns: tuple[str, ...]


_SAGEMAKER = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}"
_OBJECTS = "arn:${AWS::Partition}:s3:::{bucket}/*"

GRANTS: Mapping[Need, Grant] = {
    ("object", "metadata"): Grant(("s3:GetObject", "s3:GetObjectVersion"), (_OBJECTS,)),
    ("object", "tags"): Grant(("s3:GetObjectTagging", "s3:GetObjectVersionTagging"), (_OBJECTS,)),
    ("endpoint", "data_capture_uri"): Grant(("sagemaker:DescribeEndpoint",), (f"{_SAGEMAKER}:endpoint/*",)),
    ("endpoint", "models"): Grant(("sagemaker:DescribeEndpointConfig",), (f"{_SAGEMAKER}:endpoint-config/*",)),
    ("monitor", "endpoint"): Grant(("sagemaker:DescribeMonitoringSchedule",), (f"{_SAGEMAKER}:monitoring-schedule/*",)),
    # Which bucket a monitor writes to stands in its schedule only; the file's name is Model Monitor's own.
    ("monitor", "violations"): Grant(
        ("s3:GetObject",),
        tuple(f"arn:${{AWS::Partition}}:s3:::*/{name}_violations.json" for name in ("constraint", "constraints")),
    ),
}

# What every trigger of a source needs to tell whether an event is its own.
OF_SOURCE: Mapping[str, Grant] = {
    "drift": Grant(("sagemaker:DescribeProcessingJob",), (f"{_SAGEMAKER}:processing-job/*",)),
}


def needed(trigger: Trigger) -> set[Need]:
    """Return what the trigger's expressions name."""
    return {
        need
        for source in _sources(trigger)
        # What a stage puts into an expression is a value, and names no field.
        if (found := expression(REFERENCE.sub("0", source))) is not None
        for node in walk(compile_expression(found).jsonata.ast)
        if node.type == "path"
        for need in _named(node.steps)
    }


def grants(trigger: Trigger) -> list[Grant]:
    """Return what a handler may ask for this trigger."""
    of_source = [OF_SOURCE[trigger.when.source]] if trigger.when.source in OF_SOURCE else []
    return of_source + [GRANTS[need] for need in sorted(needed(trigger))]


def _named(steps: list[Node]) -> Iterator[Need]:
    match steps:
        case [variable, name, *_] if (variable.type, name.type) == ("variable", "name"):
            if (variable.value, name.value) in GRANTS:
                yield (variable.value, name.value)


def _sources(trigger: Trigger) -> Iterator[str]:
    options = trigger.options
    asked = (trigger.condition, trigger.dedupe, options.display_name, options.source_execution)
    yield from (source for source in (*asked, options.mlflow_experiment) if source is not None)
    for start in trigger.start:
        yield from start.parameters.values()
