"""What a trigger's expressions ask for that its events do not carry, and what a handler may then ask of AWS.

Nothing is asked, and nothing is allowed, for an expression that does not name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline_triggers.language.jsonata import compile_expression
from pipeline_triggers.language.jsonata.tree import Node, walk
from pipeline_triggers.language.stages import REFERENCE
from pipeline_triggers.language.values import expression
from pipeline_triggers.models import Trigger

# A variable, and a field of it.
Need = tuple[str, str]

# What events do not carry, and is asked of AWS only where an expression names it outright.
ASKED: frozenset[Need] = frozenset(
    {
        *(("object", "metadata"), ("object", "tags")),
        *(("endpoint", "data_capture_uri"), ("endpoint", "models")),
        *(("monitor", "endpoint"), ("monitor", "violations")),
    }
)


def asked(ast: Node) -> set[Need]:
    """Return what an expression names of that."""
    steps = [node.steps[:2] for node in walk(ast) if node.type == "path" and len(node.steps) > 1]
    named = {
        (first.value, second.value) for first, second in steps if (first.type, second.type) == ("variable", "name")
    }
    return named & ASKED


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions, and the ARNs that they are for; ``{bucket}`` and ``{name}`` are the trigger's own."""

    actions: tuple[str, ...]
    arns: tuple[str, ...]


_SAGEMAKER = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}"
_BUCKET = "arn:${AWS::Partition}:s3:::{bucket}"
# Without it, S3 denies an object that is gone instead of saying so.
_LIST = Grant(("s3:ListBucket",), (_BUCKET,))

GRANTS: Mapping[Need, tuple[Grant, ...]] = {
    ("object", "metadata"): (Grant(("s3:GetObject", "s3:GetObjectVersion"), (f"{_BUCKET}/*",)), _LIST),
    ("object", "tags"): (Grant(("s3:GetObjectTagging", "s3:GetObjectVersionTagging"), (f"{_BUCKET}/*",)), _LIST),
    ("endpoint", "data_capture_uri"): (Grant(("sagemaker:DescribeEndpoint",), (f"{_SAGEMAKER}:endpoint/{{name}}",)),),
    # A configuration may be called anything.
    ("endpoint", "models"): (Grant(("sagemaker:DescribeEndpointConfig",), (f"{_SAGEMAKER}:endpoint-config/*",)),),
    ("monitor", "endpoint"): (
        Grant(("sagemaker:DescribeMonitoringSchedule",), (f"{_SAGEMAKER}:monitoring-schedule/{{name}}",)),
    ),
    # Which bucket a monitor writes to stands in its schedule only; the file's name is Model Monitor's own.
    ("monitor", "violations"): (
        Grant(
            ("s3:GetObject",),
            tuple(f"arn:${{AWS::Partition}}:s3:::*/{name}_violations.json" for name in ("constraint", "constraints")),
        ),
    ),
}

# The sources whose events say what to ask about.
GIVEN_BY: Mapping[str, tuple[str, ...]] = {"object": ("s3",), "endpoint": ("endpoint", "event"), "monitor": ("drift",)}

# What every trigger of a source needs to tell whether an event is its own.
OF_SOURCE: Mapping[str, Grant] = {
    "drift": Grant(("sagemaker:DescribeProcessingJob",), (f"{_SAGEMAKER}:processing-job/*",)),
}


def needed(trigger: Trigger) -> set[Need]:
    """Return what the trigger's expressions name."""
    options = trigger.options
    sources = [trigger.condition, trigger.dedupe, options.display_name, options.source_execution]
    sources += [options.mlflow_experiment, *(value for start in trigger.start for value in start.parameters.values())]
    return needs_of(source for source in sources if source is not None)


def needs_of(sources: Iterable[str]) -> set[Need]:
    """Return what values' sources name."""
    # What a stage puts into an expression is a value, and names no field.
    found = (expression(REFERENCE.sub("0", source)) for source in sources)
    return {need for source in found if source is not None for need in asked(compile_expression(source).jsonata.ast)}


def grants(trigger: Trigger) -> list[Grant]:
    """Return what a handler may ask for this trigger."""
    of_source = [OF_SOURCE[trigger.when.source]] if trigger.when.source in OF_SOURCE else []
    asked_for = sorted(need for need in needed(trigger) if trigger.when.source in GIVEN_BY[need[0]])
    return of_source + [grant for need in asked_for for grant in GRANTS[need]]


def arns(grant: Grant, trigger: Trigger) -> list[str]:
    """Return a grant's ARNs for a trigger."""
    fields = trigger.when.fields
    name = fields.get("name") or fields.get("monitoring_schedule") or "*"
    return [arn.replace("{bucket}", fields.get("bucket", "")).replace("{name}", name) for arn in grant.arns]
