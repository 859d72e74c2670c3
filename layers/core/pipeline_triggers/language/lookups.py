"""Fields of variables that events do not carry: a handler looks them up in AWS, if an expression names them.

``LOOKUPS`` has one entry per field, with all that concerns it. Without a trigger that names it, a field costs no call
and needs no permission.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.jsonata import compile_expression
from pipeline_triggers.language.jsonata.tree import Node
from pipeline_triggers.language.sources import SOURCES
from pipeline_triggers.language.sources.sagemaker import ARN
from pipeline_triggers.language.sources.source import Grant
from pipeline_triggers.language.stages import REFERENCE
from pipeline_triggers.language.values import expression
from pipeline_triggers.models import Trigger

MAX_VIOLATIONS_BYTES = 1_000_000

# A variable, and a field of it.
FieldName = tuple[str, str]

# What an event says of the variable: its fields that are texts.
Bound = Mapping[str, str]


class Clients(Protocol):
    """The clients of ``aws``, which this pure package does not import."""

    def s3(self) -> Any:
        """Return the client of S3."""

    def sagemaker(self) -> Any:
        """Return the client of SageMaker."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A field that a handler looks up.

    ``description`` is its documentation. The events of ``sources`` say what to look up. ``grants`` is what a handler
    then needs. Documents are checked with ``sample`` as the value; an empty mapping has keys that nobody can know.
    ``look_up`` returns the value, or None where there is none; a KeyError means that the event does not name what
    to look up.
    """

    variable: str
    field: str
    description: str
    sources: tuple[str, ...]
    grants: tuple[Grant, ...]
    sample: Any
    look_up: Callable[[Clients, Bound], Any]


def _object(bound: Bound) -> dict[str, str]:
    """Return S3's arguments for the very version that was uploaded."""
    version = {"VersionId": bound["version_id"]} if "version_id" in bound else {}
    return {"Bucket": bound["bucket"], "Key": bound["key"], **version}


def _metadata(clients: Clients, bound: Bound) -> Any:
    return clients.s3().head_object(**_object(bound))["Metadata"]


def _tags(clients: Clients, bound: Bound) -> Any:
    return {tag["Key"]: tag["Value"] for tag in clients.s3().get_object_tagging(**_object(bound))["TagSet"]}


def _data_capture_uri(clients: Clients, bound: Bound) -> Any:
    endpoint = clients.sagemaker().describe_endpoint(EndpointName=bound["name"])
    return endpoint.get("DataCaptureConfig", {}).get("DestinationS3Uri")


def _models(clients: Clients, bound: Bound) -> Any:
    config = clients.sagemaker().describe_endpoint_config(EndpointConfigName=bound["config"])
    return [variant["ModelName"] for variant in config["ProductionVariants"] if "ModelName" in variant]


def _monitored_endpoint(clients: Clients, bound: Bound) -> Any:
    schedule = clients.sagemaker().describe_monitoring_schedule(MonitoringScheduleName=bound["schedule"])
    return schedule.get("EndpointName")


def _violations(clients: Clients, bound: Bound) -> Any:
    """Read the file that lists the violations; its name has two spellings."""
    uri = bound["violations_uri"]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    s3 = clients.s3()
    try:
        response = s3.get_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
        # Without s3:ListBucket, S3 denies what does not exist.
        if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
            raise
        other_key = key.replace("constraint_violations", "constraints_violations")
        response = s3.get_object(Bucket=bucket, Key=other_key)
    if response["ContentLength"] > MAX_VIOLATIONS_BYTES:
        raise Rejected(f"{uri} has {response['ContentLength']} bytes; use $monitor.violations_uri")
    try:
        return list(json.loads(response["Body"].read())["violations"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Rejected(f"{uri} lists no violations: {error}") from error


_BUCKET = "arn:${AWS::Partition}:s3:::{bucket}"
# Without it, S3 denies an object that no longer exists instead of saying so.
_LIST = Grant(("s3:ListBucket",), (_BUCKET,))

_ENTRIES = (
    Lookup(
        variable="object",
        field="metadata",
        description="the object's own metadata, by name",
        sources=("s3",),
        grants=(Grant(("s3:GetObject", "s3:GetObjectVersion"), (f"{_BUCKET}/*",)), _LIST),
        sample={},
        look_up=_metadata,
    ),
    Lookup(
        variable="object",
        field="tags",
        description="the object's tags, by key",
        sources=("s3",),
        grants=(Grant(("s3:GetObjectTagging", "s3:GetObjectVersionTagging"), (f"{_BUCKET}/*",)), _LIST),
        sample={},
        look_up=_tags,
    ),
    Lookup(
        variable="endpoint",
        field="data_capture_uri",
        description="where the endpoint captures data, if it does",
        sources=("endpoint", "event"),
        grants=(Grant(("sagemaker:DescribeEndpoint",), (f"{ARN}:endpoint/{{name}}",)),),
        sample="s3://acme-monitoring/capture",
        look_up=_data_capture_uri,
    ),
    Lookup(
        variable="endpoint",
        field="models",
        description="the names of the endpoint's models",
        sources=("endpoint", "event"),
        # A configuration may be called anything.
        grants=(Grant(("sagemaker:DescribeEndpointConfig",), (f"{ARN}:endpoint-config/*",)),),
        sample=["churn-2026-10"],
        look_up=_models,
    ),
    Lookup(
        variable="monitor",
        field="endpoint",
        description="the monitored endpoint's name",
        sources=("drift",),
        grants=(Grant(("sagemaker:DescribeMonitoringSchedule",), (f"{ARN}:monitoring-schedule/{{name}}",)),),
        sample="churn-prod",
        look_up=_monitored_endpoint,
    ),
    Lookup(
        variable="monitor",
        field="violations",
        description="the violations: a list of `feature_name`, `constraint_check_type`, `description`",
        sources=("drift",),
        # Only its schedule says which bucket a monitor writes to; the file's name is Model Monitor's own.
        grants=(
            Grant(
                ("s3:GetObject",),
                tuple(
                    f"arn:${{AWS::Partition}}:s3:::*/{name}_violations.json" for name in ("constraint", "constraints")
                ),
            ),
        ),
        sample=[
            {
                "feature_name": "tenure",
                "constraint_check_type": "baseline_drift_check",
                "description": "Baseline drift distance: 0.31 exceeds threshold: 0.1",
            }
        ],
        look_up=_violations,
    ),
)

LOOKUPS: Mapping[FieldName, Lookup] = {(entry.variable, entry.field): entry for entry in _ENTRIES}


def named_in(nodes: Iterable[Node]) -> set[FieldName]:
    """Return the looked-up fields that the nodes of an expression name."""
    steps = [node.steps[:2] for node in nodes if node.type == "path" and len(node.steps) > 1]
    fields = {
        (first.value, second.value) for first, second in steps if (first.type, second.type) == ("variable", "name")
    }
    return fields & LOOKUPS.keys()


def named_by(values: Iterable[str]) -> frozenset[FieldName]:
    """Return the looked-up fields that values, as a document writes them, name."""
    return _named_by(tuple(values))


@lru_cache(maxsize=4096)
def _named_by(values: tuple[str, ...]) -> frozenset[FieldName]:
    """Remember it: each event of a trigger asks for the same values."""
    # What a stage puts into an expression is a value, and names no field.
    expressions = (expression(REFERENCE.sub("0", value)) for value in values)
    return frozenset(
        field for text in expressions if text is not None for field in named_in(compile_expression(text).nodes)
    )


def needed(trigger: Trigger) -> frozenset[FieldName]:
    """Return the looked-up fields that the expressions of a trigger, or of a view of it, name."""
    options, collect = trigger.options, trigger.collect
    values = [trigger.condition, trigger.dedupe, options.display_name, options.source_execution]
    values += [collect.by, collect.part] if collect else []
    values += [options.mlflow_experiment, *(value for start in trigger.start for value in start.parameters.values())]
    if trigger.collect:
        values += [trigger.collect.by, trigger.collect.part]
    return named_by(value for value in values if value is not None)


def grants(trigger: Trigger) -> list[Grant]:
    """Return what a handler needs to look up what the trigger asks for, and no more."""
    source = trigger.when.source
    lookups = [LOOKUPS[field] for field in sorted(needed(trigger))]
    return [
        *SOURCES[source].grants,
        *(grant for lookup in lookups if source in lookup.sources for grant in lookup.grants),
    ]


def arns(grant: Grant, trigger: Trigger) -> list[str]:
    """Return a grant's ARNs for a trigger."""
    fields = trigger.when.fields
    name = fields.get("name") or fields.get("monitoring_schedule") or "*"
    return [arn.replace("{bucket}", fields.get("bucket", "")).replace("{name}", name) for arn in grant.arns]


def samples(variable: str, source: str) -> dict[str, Any]:
    """Return samples of the fields of a variable that can be looked up for a source, by field."""
    entries = (entry for entry in LOOKUPS.values() if entry.variable == variable and source in entry.sources)
    return {entry.field: entry.sample for entry in entries}
