"""``when: {endpoint: …}``: state changes of SageMaker endpoints and of their deployments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline_triggers.language import globs
from pipeline_triggers.language.sources import sagemaker
from pipeline_triggers.language.sources.source import (
    Change,
    DetailType,
    Event,
    Field,
    Fields,
    Pattern,
    Source,
    Write,
    given,
    in_detail,
    name_matchers,
)

STATUSES = (
    *("OutOfService", "Creating", "Updating", "SystemUpdating", "RollingBack", "InService", "Deleting", "Failed"),
    "UpdateRollbackFailed",
)
STAGES = ("Creating", "Updating", "Deleting", "ActivatingTraffic", "Baking")


def _pattern(fields: Fields, write: Write) -> Pattern:
    name = name_matchers(fields.get("name"), write)
    if "deployment" in fields:
        variants = {"ProductionVariants": {"VariantStatus": {"Status": _matchers(fields["deployment"])}}}
        # Of a new configuration, or of a variant that is scaled.
        either = {"$or": [{"PendingDeploymentSummary": variants}, variants]}
        return sagemaker.pattern("Endpoint Deployment", {**given(EndpointName=name), **either})
    return sagemaker.pattern("Endpoint", given(EndpointName=name, EndpointStatus=_matchers(fields["status"])))


def _matchers(words: list[str]) -> list[Any]:
    """Match each word as the API spells it and as events do; which of both the service sends is not promised."""
    return [{"equals-ignore-case": spelling} for word in words for spelling in _spellings(word)]


def _spellings(word: str) -> list[str]:
    """Return InService as InService and IN_SERVICE, a single word once."""
    joined = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word)
    return [word] if joined == word else [word, joined.upper()]


def _change(event: Event) -> Change:
    return sagemaker.change("Endpoint", event, STATUSES)


def _deployment_change(event: Event) -> Change:
    detail = event["detail"]
    stages = [(_stage(status), sagemaker.iso(status.get("StartTime"))) for status in _variant_statuses(detail)]
    return (detail.get("EndpointArn"), sagemaker.iso(detail.get("LastModifiedTime")), stages or None)


def _bindings(event: Event) -> dict[str, Any]:
    """Bind ``$endpoint``, with the stages of its deployment where it is being deployed."""
    detail = event["detail"]
    variants = [variant.get("VariantName") for variant in detail.get("ProductionVariants") or []]
    bound = {
        **sagemaker.resource("Endpoint", event, STATUSES),
        "config": detail.get("EndpointConfigName"),
        "variants": [variant for variant in variants if variant is not None],
    }
    if stages := list(dict.fromkeys(_stage(status) for status in _variant_statuses(detail))):
        bound["deployment"] = stages
        bound["next_config"] = (detail.get("PendingDeploymentSummary") or {}).get("EndpointConfigName")
    return {"endpoint": sagemaker.known(bound)}


def _variant_statuses(detail: Event) -> list[Mapping[str, Any]]:
    """Return the stages of an endpoint's deployment, variant by variant."""
    # Of a new configuration, or of a variant that is scaled.
    pending = (detail.get("PendingDeploymentSummary") or {}).get("ProductionVariants") or []
    variants = [*pending, *(detail.get("ProductionVariants") or [])]
    return [status for variant in variants for status in variant.get("VariantStatus") or []]


def _stage(status: Mapping[str, Any]) -> Any:
    return sagemaker.as_in_the_api(status.get("Status"), STAGES)


SOURCE = Source(
    name="endpoint",
    description="A SageMaker endpoint reached a status, or its deployment a stage.",
    handler="OnEndpointStatus",
    fields={
        "name": Field(
            "The endpoint's name; * stands for any characters. Every endpoint when left out.",
            problem=sagemaker.name_problem(),
            value=in_detail("EndpointName"),
            glob=globs.matches_name,
        ),
        "status": Field(
            "One or several statuses, as in InService; or else deployment.",
            choices=STATUSES,
            value=lambda occurrence: occurrence.bindings["endpoint"]["status"],
        ),
        "deployment": Field(
            "One or several stages of a deployment, as in Baking; instead of status.",
            choices=STAGES,
            value=lambda occurrence: occurrence.bindings["endpoint"]["deployment"],
        ),
    },
    one_of=("status", "deployment"),
    pattern=_pattern,
    detail_types={
        "SageMaker Endpoint State Change": DetailType(_change, _bindings),
        "SageMaker Endpoint Deployment State Change": DetailType(_deployment_change, _bindings),
    },
    sample=lambda fields: "endpoint_deployment" if "deployment" in fields else "endpoint",
    fit=sagemaker.fit_status("Endpoint"),
    places={
        "name": "detail.EndpointName",
        "status": "detail.EndpointStatus",
        "config": "detail.EndpointConfigName",
        "failure_reason": "detail.FailureReason",
    },
)
