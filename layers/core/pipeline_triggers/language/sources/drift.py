"""``when: {drift: …}``: runs of Model Monitor's schedules that end with violations."""

from __future__ import annotations

from pipeline_triggers.language.sources import sagemaker
from pipeline_triggers.language.sources.source import Field, Fields, Grant, Pattern, Source, Write, same_name


def _pattern(_fields: Fields, _write: Write) -> Pattern:
    # The event says neither which schedule ran nor what it found; the handler asks SageMaker.
    return sagemaker.pattern("Processing Job", {"ProcessingJobStatus": ["Completed"]})


# What SageMaker says of the run that ``documents/samples/drift.json`` is about (DescribeProcessingJob).
SAMPLE_RUN = {
    "schedule": "churn-prod",
    "job": "model-monitoring-202611010300-4f1c2a",
    "message": "CompletedWithViolations: Job completed successfully with 2 violations.",
    "violations_uri": "s3://acme-monitoring/churn-prod/2026/11/01/03/constraint_violations.json",
}

SOURCE = Source(
    name="drift",
    description="A run of a Model Monitor schedule ended with violations.",
    handler="OnEndpointStatus",
    fields={
        "monitoring_schedule": Field(
            "The monitoring schedule's name; * stands for any characters.",
            required=True,
            problem=sagemaker.name_problem(),
            value=lambda occurrence: occurrence.bindings["monitor"]["schedule"],
            glob=same_name,
        ),
    },
    pattern=_pattern,
    detail_types={"SageMaker Processing Job State Change": sagemaker.job("ProcessingJob")},
    grants=(Grant(("sagemaker:DescribeProcessingJob",), (f"{sagemaker.ARN}:processing-job/*",)),),
    sample_bindings=lambda fields: {
        "monitor": {**SAMPLE_RUN, "schedule": fields["monitoring_schedule"].replace("*", "prod")}
    },
)
