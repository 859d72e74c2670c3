"""What events leave out, asked of AWS: only for a trigger whose expressions name it (``needs``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from pipeline_triggers import aws
from pipeline_triggers.errors import Rejected
from pipeline_triggers.language.lookups import Need
from pipeline_triggers.models import Occurrence

MAX_VIOLATIONS_BYTES = 1_000_000

# How AWS says that something is not there (any more).
_MISSING = frozenset(
    {
        "404",
        "405",
        "MethodNotAllowed",
        "NoSuchKey",
        "NoSuchBucket",
        "NoSuchVersion",
        "ResourceNotFound",
        "ValidationException",
    }
)


def with_facts(occurrence: Occurrence, needs: Iterable[Need]) -> Occurrence:
    """Return the occurrence with its variables' fields that were asked for, each asked of AWS once.

    Raises:
        Rejected: what is asked about is not there.
        botocore.exceptions.ClientError, BotoCoreError: AWS can't be asked now.

    """
    bindings = dict(occurrence.bindings)
    for variable, field in sorted(needs):
        if variable not in bindings:
            continue  # as on a topic's message that brings no object
        try:
            answer = _ANSWERS[variable, field](_asked_about(bindings[variable]))
        except ParamValidationError as error:
            raise Rejected(
                f"${variable}.{field} can't be had: the event names nothing to ask about: {error}"
            ) from error
        except KeyError as error:
            raise Rejected(f"${variable}.{field} can't be had: the event does not say {error}") from error
        except ClientError as error:
            details = error.response["Error"]
            if details["Code"] in _MISSING:
                told = f"${variable}.{field} can't be had: {details['Code']}: {details['Message']}"
                raise Rejected(told) from error
            raise
        if answer is not None:
            bindings[variable] = {**bindings[variable], field: answer}
    return replace(occurrence, bindings=bindings)


def _asked_about(bound: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what of a variable can name a resource: texts that are not empty."""
    return {name: value for name, value in bound.items() if isinstance(value, str) and value}


def _which(bound: Mapping[str, Any]) -> dict[str, Any]:
    version = {"VersionId": bound["version_id"]} if "version_id" in bound else {}
    return {"Bucket": bound["bucket"], "Key": bound["key"], **version}


def _metadata(bound: Mapping[str, Any]) -> dict[str, str]:
    return aws.s3().head_object(**_which(bound))["Metadata"]


def _tags(bound: Mapping[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in aws.s3().get_object_tagging(**_which(bound))["TagSet"]}


def _data_capture_uri(bound: Mapping[str, Any]) -> str | None:
    described = aws.sagemaker().describe_endpoint(EndpointName=bound["name"])
    return described.get("DataCaptureConfig", {}).get("DestinationS3Uri")


def _models(bound: Mapping[str, Any]) -> list[str]:
    variants = aws.sagemaker().describe_endpoint_config(EndpointConfigName=bound["config"])["ProductionVariants"]
    return [variant["ModelName"] for variant in variants if "ModelName" in variant]


def _endpoint(bound: Mapping[str, Any]) -> str | None:
    return aws.sagemaker().describe_monitoring_schedule(MonitoringScheduleName=bound["schedule"]).get("EndpointName")


def _violations(bound: Mapping[str, Any]) -> list[Any]:
    """Read the file that lists the violations; its name has two spellings."""
    bucket, _, key = bound["violations_uri"].removeprefix("s3://").partition("/")
    names = (key, key.replace("constraint_violations", "constraints_violations"))
    try:
        answer = aws.s3().get_object(Bucket=bucket, Key=names[0])
    except ClientError as error:
        # Who may not list a bucket is denied what is not there.
        if error.response["Error"]["Code"] not in ("NoSuchKey", "AccessDenied"):
            raise
        answer = aws.s3().get_object(Bucket=bucket, Key=names[1])
    if answer["ContentLength"] > MAX_VIOLATIONS_BYTES:
        raise Rejected(f"{bound['violations_uri']} has {answer['ContentLength']} bytes; use $monitor.violations_uri")
    try:
        return list(json.loads(answer["Body"].read())["violations"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Rejected(f"{bound['violations_uri']} lists no violations: {error}") from error


_ANSWERS: Mapping[Need, Callable[[Mapping[str, Any]], Any]] = {
    ("object", "metadata"): _metadata,
    ("object", "tags"): _tags,
    ("endpoint", "data_capture_uri"): _data_capture_uri,
    ("endpoint", "models"): _models,
    ("monitor", "endpoint"): _endpoint,
    ("monitor", "violations"): _violations,
}
