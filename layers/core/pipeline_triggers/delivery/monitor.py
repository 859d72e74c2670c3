"""Which monitoring schedule a processing job ran for, and what it found: the events of Model Monitor do not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.models import Occurrence

# The beginning of the job's exit message, in which the monitoring container reports violations.
_VIOLATED = "CompletedWithViolations"


def violation(occurrence: Occurrence) -> Occurrence:
    """Bind ``$monitor`` to the run of a monitoring schedule that a processing job was.

    The status of such a job is Completed, with violations or without; only its exit message tells them apart, and the
    event does not carry it.

    Raises:
        Filtered: the job does not belong to a monitoring schedule, or found no violations.
        Rejected: the event names no job, or SageMaker does not know it.
        botocore.exceptions.ClientError, BotoCoreError: SageMaker can't answer now.

    """
    name = occurrence.bindings.get("job", {}).get("name")
    if not isinstance(name, str) or not name:
        raise Rejected("the event is not a state change of a processing job: it lacks detail.ProcessingJobName")
    try:
        job: Mapping[str, Any] = aws.sagemaker().describe_processing_job(ProcessingJobName=name)
    except ClientError as error:
        response = error.response["Error"]
        if response["Code"] in aws.PERMANENT:
            raise Rejected(f"processing job {name} can't be described: {response['Message']}") from error
        raise
    schedule = job.get("MonitoringScheduleArn")
    if not schedule:
        raise Filtered(f"processing job {name} is not a run of a monitoring schedule")
    message = job.get("ExitMessage", "")
    if not message.startswith(_VIOLATED):
        raise Filtered(f"processing job {name} found no violations: {message or 'no exit message'}")
    monitor = {"schedule": schedule.rpartition("/")[2], "job": name, "message": message, **_violations_uri(job)}
    return replace(occurrence, bindings={**occurrence.bindings, "monitor": monitor})


def _violations_uri(job: Mapping[str, Any]) -> dict[str, str]:
    """Name the file that Model Monitor's own container writes the violations to, in the job's one output."""
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    uris = [output["S3Output"]["S3Uri"] for output in outputs if "S3Output" in output]
    return {"violations_uri": f"{uris[0].rstrip('/')}/constraint_violations.json"} if uris else {}
