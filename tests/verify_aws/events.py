"""Probes of events: S3, CloudTrail, model packages, Scheduler, direct rules, endpoints."""

from __future__ import annotations

import json
import uuid
from functools import partial
from typing import Any

from pipeline_triggers.account.home import Home
from pipeline_triggers.errors import PipelineTriggersError
from pipeline_triggers.events import eventbridge
from pipeline_triggers.janitor import cleanups

from tests.verify_aws.account import NAME, SOURCE, Account, NotSeen, error_of
from tests.verify_aws.probe import Answers, Probe

# A space, a plus, a percent sign, quotes, another script: what an encoding would change.
KEY = "in/a b+c%20d/ü\"'.csv"
PART = b"0" * 5 * 1024 * 1024


def _uploads(account: Account) -> Answers:
    bucket, s3 = account.bucket(), account.client("s3")
    queue = account.listen("uploads", {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}})
    # EventBridge learns of the bucket and the rule within minutes.
    account.sleep(300)
    s3.put_object(Bucket=bucket, Key=f"put/{KEY}", Body=b"1")
    s3.copy_object(Bucket=bucket, Key=f"copy/{KEY}", CopySource={"Bucket": bucket, "Key": f"put/{KEY}"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key=f"multipart/{KEY}")["UploadId"]
    same = {"Bucket": bucket, "Key": f"multipart/{KEY}", "UploadId": upload}
    part = s3.upload_part(**same, PartNumber=1, Body=PART)
    s3.complete_multipart_upload(**same, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key=f"versioned/{KEY}", Body=b"1")
    ways = ("put", "copy", "multipart", "versioned")
    found: Answers = {}
    while len(found) < len(ways):
        event = account.next_event(queue, lambda event: _key(event).partition("/")[0] in ways, 600)
        found[_key(event).partition("/")[0]] = event
    return found


def _key(event: Any) -> str:
    return str(event["detail"]["object"]["key"])


def _uploads_difference(answers: Answers) -> str | None:
    reasons = {
        "put": "PutObject",
        "copy": "CopyObject",
        "multipart": "CompleteMultipartUpload",
        "versioned": "PutObject",
    }
    for way, reason in reasons.items():
        detail = answers[way]["detail"]
        if _key(answers[way]) != f"{way}/{KEY}":
            return f"the key is not as it was written: {_key(answers[way])}"
        if detail["reason"] != reason:
            return f"the reason of {way} is {detail['reason']}"
        if not detail["object"].get("sequencer"):
            return f"{way} has no sequencer"
    if not answers["versioned"]["detail"]["object"].get("version-id"):
        return "an object of a versioned bucket has no version-id"
    return None


def _deletion(account: Account) -> Answers:
    pipeline = account.pipeline("-deleted")
    pattern = {"source": ["aws.sagemaker"], "detail": {"eventName": ["DeletePipeline"]}}
    queue = account.listen("deletions", pattern)
    account.sleep(60)
    account.client("sagemaker").delete_pipeline(PipelineName=pipeline, ClientRequestToken=uuid.uuid4().hex)
    home = {"partition": account.partition, "account": account.id, "region": account.region}
    event = account.next_event(queue, lambda event: pipeline in json.dumps(event), 1200)
    return {"pipeline": pipeline, "home": home, "event": event}


def _deletion_difference(answers: Answers) -> str | None:
    try:
        deleted = cleanups.deleted_pipeline(answers["event"], Home(**answers["home"]))
    except PipelineTriggersError as error:
        return f"the janitor does not read the record: {error}"
    return None if deleted.name == answers["pipeline"] else f"the janitor reads the pipeline {deleted.name}"


def _model_package(account: Account) -> Answers:
    sagemaker = account.client("sagemaker")
    pattern = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Model Package State Change"]}
    queue = account.listen("packages", pattern)
    sagemaker.create_model_package_group(ModelPackageGroupName=NAME)
    package = sagemaker.create_model_package(
        ModelPackageGroupName=NAME, ModelApprovalStatus="PendingManualApproval", ModelPackageDescription="a probe"
    )["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Rejected")

    def rejected(event: Any) -> bool:
        return bool(event["detail"].get("ModelApprovalStatus") == "Rejected")

    return {"event": account.next_event(queue, rejected, 600)}


def _model_package_difference(answers: Answers) -> str | None:
    occurrence = eventbridge.read(answers["event"], "model_package")
    if occurrence.identity[0] == "event":
        return "the event has no LastModifiedTime, so repeated events of one approval count as several"
    return None


CONTEXT = ("scheduled-time", "execution-id", "attempt-number", "schedule-arn")


def _scheduler(account: Account) -> Answers:
    url, queue = account.queue("scheduled")
    dead_url, dead = account.queue("undelivered")
    allowed = {"Effect": "Allow", "Action": ["sqs:SendMessage", "sagemaker:StartPipelineExecution"], "Resource": "*"}
    role = account.role("scheduler", "scheduler", [allowed])
    account.sleep(15)
    target = {"RoleArn": role, "DeadLetterConfig": {"Arn": dead}}
    text = json.dumps({name: f"<aws.scheduler.{name}>" for name in CONTEXT})
    account.schedule("context", {**target, "Arn": queue, "Input": text})
    account.schedule("missing", {**target, "Arn": account.arn("sagemaker", f"pipeline/{NAME}-missing")})
    answers: Answers = {"context": account.next_event(url, lambda _: True, 300)}
    sqs = account.client("sqs")

    def undelivered() -> Any:
        received = sqs.receive_message(QueueUrl=dead_url, MessageAttributeNames=["All"]).get("Messages", [])
        return received[0].get("MessageAttributes", {}) if received else None

    try:
        answers["missing_pipeline"] = account.wait_for("the dead letter", undelivered, 600)[0]
    except NotSeen as error:
        answers["missing_pipeline"] = {"not_seen": str(error)}
    return answers


def _scheduler_difference(answers: Answers) -> str | None:
    unfilled = [name for name in CONTEXT if not answers["context"][name] or "<" in answers["context"][name]]
    if unfilled:
        return f"Scheduler does not fill in {', '.join(unfilled)}"
    if "ERROR_CODE" not in answers["missing_pipeline"]:
        return "a schedule of a missing pipeline has no dead letter with ERROR_CODE after ten minutes"
    return None


def _direct_rule(account: Account) -> Answers:
    pipeline, events = account.pipeline(), account.client("events")
    role = account.role(
        "direct", "events", [{"Effect": "Allow", "Action": "sagemaker:StartPipelineExecution", "Resource": "*"}]
    )
    _, dead = account.queue("direct")
    events.put_rule(Name=f"{NAME}-direct", EventPattern=json.dumps({"source": [SOURCE], "detail-type": ["direct"]}))
    text = {"Name": "Text", "Value": "$.detail.maybe"}
    target = {
        "Id": "pipeline",
        "Arn": account.arn("sagemaker", f"pipeline/{pipeline}"),
        "RoleArn": role,
        "DeadLetterConfig": {"Arn": dead},
    }
    refusal = _put_target(account, target, [{"Name": "With_underscore", "Value": "$.detail.present"}, text])
    if refusal and _put_target(account, target, [text]):
        return {"put_targets": refusal}
    account.sleep(60)
    whole = _started_by(account, pipeline, {"present": "here", "maybe": "here"})  # else nothing would start anyway
    answers: Answers = {"put_targets": refusal, "whole": whole}
    try:
        answers["missing"] = _started_by(account, pipeline, {"present": "here"})
    except NotSeen as error:
        answers["not_started"] = str(error)
    return answers


def _put_target(account: Account, target: Answers, parameters: list[Answers]) -> Answers:
    """Give the direct rule its target, and return EventBridge's refusal, whose status may be that of a success."""
    failed: list[Answers] = []
    named = {**target, "SageMakerPipelineParameters": {"PipelineParameterList": parameters}}
    put = partial(account.client("events").put_targets, Rule=f"{NAME}-direct", Targets=[named])
    refusal = error_of(lambda: failed.extend(put().get("FailedEntries", [])))
    return refusal or ({"code": failed[0]["ErrorCode"], "message": failed[0]["ErrorMessage"]} if failed else {})


def _started_by(account: Account, pipeline: str, detail: Answers) -> dict[str, str]:
    """Publish an event, and return the parameters of the execution that it starts."""
    before = _executions(account, pipeline)
    entry = {"Source": SOURCE, "DetailType": "direct", "Detail": json.dumps(detail)}
    account.client("events").put_events(Entries=[entry])

    def new() -> str | None:
        return next((one for one in _executions(account, pipeline) if one not in before), None)

    started, _ = account.wait_for(f"the execution for {detail}", new, 600)
    listed = account.client("sagemaker").list_pipeline_parameters_for_execution(PipelineExecutionArn=started)
    return {one["Name"]: one["Value"] for one in listed["PipelineParameters"]}


def _executions(account: Account, pipeline: str) -> list[str]:
    listed = account.client("sagemaker").list_pipeline_executions(
        PipelineName=pipeline, SortBy="CreationTime", SortOrder="Descending", MaxResults=100
    )
    return [one["PipelineExecutionArn"] for one in listed["PipelineExecutionSummaries"]]


def _direct_rule_difference(answers: Answers) -> str | None:
    if answers["put_targets"]:
        return f"EventBridge refuses a parameter's name with _: {answers['put_targets']['message']}"
    if "missing" in answers:
        return f"a missing path started the pipeline, with {answers['missing']}"
    return None if answers["not_started"] else "nothing is known of a missing path"


def _endpoint(account: Account) -> Answers:
    """Create an endpoint, and update it; with a monitoring schedule of the account, wait for its next run."""
    if not account.endpoint_config:
        raise NotSeen("it costs an endpoint: name a configuration with ENDPOINT_CONFIG=…")
    sagemaker = account.client("sagemaker")
    types = ["SageMaker Endpoint State Change", "SageMaker Endpoint Deployment State Change"]
    detail = {"EndpointName": [NAME]}
    queue = account.listen("endpoints", {"source": ["aws.sagemaker"], "detail-type": types, "detail": detail})
    runs = account.listen("runs", {"source": ["aws.sagemaker"], "detail": {"ProcessingJobStatus": ["Completed"]}})
    sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=account.endpoint_config)
    answers: Answers = {"event": account.next_event(queue, _in_service, 1800)}
    # An endpoint is updated to another configuration only.
    variants = sagemaker.describe_endpoint_config(EndpointConfigName=account.endpoint_config)["ProductionVariants"]
    sagemaker.create_endpoint_config(EndpointConfigName=NAME, ProductionVariants=variants)
    sagemaker.update_endpoint(EndpointName=NAME, EndpointConfigName=NAME)
    answers["deployment"] = account.next_event(queue, lambda event: event["detail-type"] == types[1], 1800)
    if account.monitoring_schedule:
        answers["run"] = account.next_event(runs, partial(_is_run, account), 2 * 3600)
        job = sagemaker.describe_processing_job(ProcessingJobName=answers["run"]["detail"]["ProcessingJobName"])
        answers["exit_message"] = job.get("ExitMessage", "")
    return answers


def _in_service(event: Any) -> bool:
    return "SERVICE" in str(event["detail"].get("EndpointStatus", "")).upper()


def _is_run(account: Account, event: Any) -> bool:
    """Whether a processing job ran for the monitoring schedule."""
    name = event["detail"]["ProcessingJobName"]
    job = account.client("sagemaker").describe_processing_job(ProcessingJobName=name)
    schedule = str(job.get("MonitoringScheduleArn", "")).rpartition("/")[2]
    return schedule.lower() == account.monitoring_schedule.lower()


def _endpoint_difference(answers: Answers) -> str | None:
    occurrence = eventbridge.read(answers["event"], "endpoint")
    status = occurrence.bindings["endpoint"]["status"]
    if status != "InService":
        return f"the status is read as {status}"
    deployment = eventbridge.read(answers["deployment"], "endpoint")
    if "deployment" not in deployment.bindings["endpoint"]:
        return "the event of the deployment names no stage"
    if "event" in (occurrence.identity[0], deployment.identity[0]):
        return "the event does not say when its state changed"
    # Without a schedule to look at, nothing is said of Model Monitor.
    if "run" in answers and not answers["exit_message"].startswith("Completed"):
        return f"the exit message of a monitoring run is {answers['exit_message'] or 'missing'}"
    return None


PROBES = [
    Probe(
        "H",
        "Which key, reason and sequencer do S3's events have for a put, a copy, a multipart upload and a version?",
        "Raw keys; PutObject, CopyObject, CompleteMultipartUpload; a sequencer each, and a version-id for a version.",
        "language/sources/s3.py",
        "Decode encoded keys; use another identity where the sequencer is missing.",
        _uploads,
        _uploads_difference,
    ),
    Probe(
        "I",
        "What does CloudTrail's record of DeletePipeline look like, as EventBridge delivers it?",
        "Its detail.requestParameters.pipelineName is the name, which the janitor reads.",
        "janitor/cleanups.py (deleted_pipeline), template.yaml (JanitorDeletedRule)",
        "Read the name where it is. Without a trail no record comes, and only the sweep finds orphans.",
        _deletion,
        _deletion_difference,
    ),
    Probe(
        "J",
        "Do the events of a model package have LastModifiedTime?",
        "They do. It distinguishes one approval from the next.",
        "language/sources/model_package.py",
        "Describe the package, or use the event's id as the identity.",
        _model_package,
        _model_package_difference,
    ),
    Probe(
        "K",
        "Does Scheduler fill in its context attributes, and what happens to a schedule whose pipeline is missing?",
        "It fills them in; the invocation that fails goes to the dead-letter queue with ERROR_CODE.",
        "compile/targets.py, operations/redrive.py",
        "Use another identity than the scheduled time for schedules.",
        _scheduler,
        _scheduler_difference,
    ),
    Probe(
        "L",
        "Does a direct rule accept a parameter whose name contains _, and what does a path missing from the event do?",
        "It accepts the name; with a missing path the pipeline does not start.",
        "documents/direct.py",
        "Refuse _ in the parameter names of direct rules; document what a missing path becomes.",
        _direct_rule,
        _direct_rule_difference,
    ),
    Probe(
        "Q",
        "What do the events of an endpoint, of its deployment and of a run of Model Monitor look like?",
        "EndpointStatus is IN_SERVICE or InService, a deployment names its stages, LastModifiedTime distinguishes"
        " changes, and the exit message of a run begins with Completed.",
        "language/sources/endpoint.py, delivery/monitor.py",
        "Read the status, the stages and the exit message as they come.",
        _endpoint,
        _endpoint_difference,
    ),
]
