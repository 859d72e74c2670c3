"""``when: {model_package: …}``: approvals of model packages."""

from __future__ import annotations

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

APPROVALS = ("Approved", "Rejected", "PendingManualApproval")


def _pattern(fields: Fields, write: Write) -> Pattern:
    group = name_matchers(fields.get("group"), write)
    # An update of something else repeats the approval; it says which fields it changed.
    changed = [
        {"UpdatedModelPackageFields": ["ModelApprovalStatus"]},
        {"UpdatedModelPackageFields": [{"exists": False}]},
    ]
    detail = given(ModelPackageGroupName=group, ModelApprovalStatus=list(fields["approval"]))
    return sagemaker.pattern("Model Package", {**detail, "$or": changed})


def _change(event: Event) -> Change:
    detail = event["detail"]
    changed_at = sagemaker.iso(detail.get("LastModifiedTime"))
    return (detail.get("ModelPackageArn"), detail.get("ModelApprovalStatus"), changed_at)


SOURCE = Source(
    name="model_package",
    description="A model package got an approval status; its other updates do not fire.",
    handler="OnEvent",
    fields={
        "group": Field(
            "The model package group's name; * stands for any characters. Every group when left out.",
            problem=sagemaker.name_problem(),
            # A package without a group has no such name.
            value=lambda occurrence: occurrence.event["detail"].get("ModelPackageGroupName", ""),
            glob=globs.matches_name,
        ),
        "approval": Field(
            "One or several approvals, as in Approved.",
            required=True,
            choices=APPROVALS,
            value=in_detail("ModelApprovalStatus"),
        ),
    },
    pattern=_pattern,
    detail_types={"SageMaker Model Package State Change": DetailType(_change)},
    places={
        "group": "detail.ModelPackageGroupName",
        "approval": "detail.ModelApprovalStatus",
    },
)
