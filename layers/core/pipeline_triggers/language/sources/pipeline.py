"""``when: {pipeline: …}``: status changes of executions of SageMaker pipelines."""

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
    in_detail,
    same_name,
)

STATUSES = ("Executing", "Stopping", "Stopped", "Failed", "Succeeded", "CompletedWithFailures")

_DETAIL_TYPE = "SageMaker Model Building Pipeline Execution Status Change"


def _pattern(fields: Fields, write: Write) -> Pattern:
    # The event holds the ARN, which may be lower-cased; a name with a star is matched up to it.
    name = fields["name"]
    matcher = {"equals-ignore-case": write(f"{sagemaker.ARN}:pipeline/{globs.literal_prefix(name)}")}
    return {
        "source": ["aws.sagemaker"],
        "detail-type": [_DETAIL_TYPE],
        "detail": {
            "pipelineArn": [{"prefix": matcher} if "*" in name else matcher],
            "currentPipelineExecutionStatus": list(fields["status"]),
        },
    }


def _change(event: Event) -> Change:
    detail = event["detail"]
    # An execution may be retried, and so end twice.
    ended = detail.get("executionEndTime", "")
    return (detail.get("pipelineExecutionArn"), detail.get("currentPipelineExecutionStatus"), ended)


SOURCE = Source(
    name="pipeline",
    description="An execution of a pipeline reached a status.",
    handler="OnEvent",
    fields={
        "name": Field(
            "The pipeline's name; * stands for any characters, and letter case does not count.",
            required=True,
            problem=sagemaker.name_problem(256),
            value=lambda occurrence: occurrence.event["detail"]["pipelineArn"].rpartition("/")[2],
            glob=same_name,
        ),
        "status": Field(
            "One or several statuses, as in Succeeded.",
            required=True,
            choices=STATUSES,
            value=in_detail("currentPipelineExecutionStatus"),
        ),
    },
    pattern=_pattern,
    detail_types={_DETAIL_TYPE: DetailType(_change)},
    places={
        "name": "detail.pipelineArn",
        "status": "detail.currentPipelineExecutionStatus",
    },
)
