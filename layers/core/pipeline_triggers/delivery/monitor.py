"""What the events of Model Monitor leave out: which schedule ran, and what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import Filtered, Rejected
from pipeline_triggers.models import Occurrence

# What the monitoring container says at its end, in the job's exit message.
_VIOLATED = "CompletedWithViolations"


def violation(occurrence: Occurrence) -> Occurrence:
    """Bind ``$monitor`` to the run of a monitoring schedule that a processing job was.

    The status of such a job is Completed, with violations or without; only its exit message tells, and the event does
    not carry it.

    Raises:
        Filtered: the job is no monitor's, or it found no violations.
        Rejected: the event names no job, or SageMaker does not know it.
        botocore.exceptions.ClientError, BotoCoreError: SageMaker can't be asked now.

    """
    name = occurrence.bindings.get("job", {}).get("name")
    if not isinstance(name, str) or not name:
        raise Rejected("the event is no state change of a processing job: it lacks detail.ProcessingJobName")
    try:
        job: Mapping[str, Any] = aws.sagemaker().describe_processing_job(ProcessingJobName=name)
    except ClientError as error:
        details = error.response["Error"]
        if details["Code"] in aws.PERMANENT:
            raise Rejected(f"processing job {name} can't be looked at: {details['Message']}") from error
        raise
    schedule = job.get("MonitoringScheduleArn")
    if not schedule:
        raise Filtered(f"processing job {name} is no run of a monitoring schedule")
    message = job.get("ExitMessage", "")
    if not message.startswith(_VIOLATED):
        raise Filtered(f"processing job {name} found no violations: {message or 'no exit message'}")
    monitor = {"schedule": schedule.rpartition("/")[2], "job": name, "message": message, **_violations(job)}
    return replace(occurrence, bindings={**occurrence.bindings, "monitor": monitor})


def _violations(job: Mapping[str, Any]) -> dict[str, str]:
    """Say where the violations stand: Model Monitor's own container writes this file into its one output."""
    outputs = job.get("ProcessingOutputConfig", {}).get("Outputs", [])
    uris = [output["S3Output"]["S3Uri"] for output in outputs if "S3Output" in output]
    return {"violations_uri": f"{uris[0].rstrip('/')}/constraint_violations.json"} if uris else {}
