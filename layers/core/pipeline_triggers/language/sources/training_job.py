"""``when: {training_job: …}``: state changes of SageMaker training jobs."""

from __future__ import annotations

from pipeline_triggers.language import globs
from pipeline_triggers.language.sources import sagemaker
from pipeline_triggers.language.sources.source import (
    Field,
    Fields,
    Pattern,
    Source,
    Write,
    given,
    in_detail,
    name_matchers,
)


def _pattern(fields: Fields, write: Write) -> Pattern:
    name = name_matchers(fields.get("name"), write)
    return sagemaker.pattern("Training Job", given(TrainingJobName=name, TrainingJobStatus=list(fields["status"])))


SOURCE = Source(
    name="training_job",
    description="A training job reached a status.",
    handler="OnEvent",
    fields={
        "name": Field(
            "The job's name; * stands for any characters. Every job when left out.",
            problem=sagemaker.name_problem(),
            value=in_detail("TrainingJobName"),
            glob=globs.matches_name,
        ),
        "status": Field(
            "One or several statuses, as in Completed.",
            required=True,
            choices=sagemaker.JOB_STATUSES,
            value=in_detail("TrainingJobStatus"),
        ),
    },
    pattern=_pattern,
    detail_types={"SageMaker Training Job State Change": sagemaker.job("TrainingJob")},
    fit=sagemaker.fit_status("TrainingJob"),
    places={
        "name": "detail.TrainingJobName",
        "status": "detail.TrainingJobStatus",
        "failure_reason": "detail.FailureReason",
    },
)
