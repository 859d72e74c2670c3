"""moto's SageMaker as a service of ministack, with StartPipelineExecution as strict as AWS's."""

from __future__ import annotations

import json
from typing import Any

from ministack import app
from ministack.core import iam_actions, router
from ministack.core.responses import get_region
from moto.core.exceptions import JsonRESTError
from moto.core.responses import ActionResult
from moto.moto_server.werkzeug_app import create_backend_app
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse
from werkzeug.test import Client

Response = tuple[int, dict[str, str], bytes]

# What the SDK's local mode, an emulation of the service by the service's own team, takes for each type.
_TYPES: dict[str, Any] = {"String": str, "Integer": int, "Float": float, "Boolean": {"True": True, "False": False}.get}


def mount() -> None:
    """Route SageMaker's calls to moto. ministack 1.5.33 has no SageMaker; goes when it has."""
    client = Client(create_backend_app("sagemaker"))

    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: object) -> Response:
        del method, query
        kept = {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}
        host = f"sagemaker.{get_region()}.amazonaws.com"
        answer = client.post(path, data=body, headers={**kept, "Host": host})
        return answer.status_code, dict(answer.headers), answer.data

    router.SERVICE_PATTERNS["sagemaker"] = {"target_prefixes": ["SageMaker."], "host_patterns": [r"sagemaker\."]}
    app.SERVICE_HANDLERS["sagemaker"] = handle


_HOP_BY_HOP = frozenset({"content-length", "host", "transfer-encoding"})


def enforce_iam() -> None:
    """Tell ministack's IAM the action and resource of SageMaker's calls. Goes with ``mount``."""
    iam_actions.SERVICE_TO_IAM_NAMESPACE["sagemaker"] = "sagemaker"
    original = iam_actions.extract_resource_arn

    def extract(
        service: str, method: str, path: str, headers: Any, body: bytes, query: Any, region: str, account: str
    ) -> Any:
        if service != "sagemaker":
            return original(service, method, path, headers, body, query, region, account)
        request = json.loads(body or b"{}")
        if execution := request.get("PipelineExecutionArn"):
            return execution
        for kind, member in _RESOURCES:
            if name := request.get(member):
                return f"arn:aws:sagemaker:{region}:{account}:{kind}/{name}"
        return "*"

    iam_actions.extract_resource_arn = extract


# The kinds of resources by the member that names them.
_RESOURCES = (
    ("pipeline", "PipelineName"),
    ("processing-job", "ProcessingJobName"),
    ("endpoint", "EndpointName"),
    ("endpoint-config", "EndpointConfigName"),
    ("monitoring-schedule", "MonitoringScheduleName"),
)


def be_strict() -> None:
    """Refuse what AWS refuses. moto 5.2.5 starts anything; goes when it checks names, types and tokens."""
    start = SageMakerModelBackend.start_pipeline_execution
    tokens: dict[tuple[str, str], dict[str, str]] = {}

    def strict_start(backend: Any, name: str, display_name: str, parameters: Any, *more: Any) -> dict[str, str]:
        pipeline = _existing(backend, name)
        _check_parameters(json.loads(pipeline.pipeline_definition), parameters or [])
        token = more[-1]
        if (pipeline.arn, token) not in tokens:
            tokens[pipeline.arn, token] = start(backend, name, display_name, parameters, *more)
        return tokens[pipeline.arn, token]

    SageMakerModelBackend.start_pipeline_execution = strict_start
    describe = SageMakerModelBackend.describe_pipeline

    def strict_describe(backend: Any, pipeline_name: str) -> Any:
        _existing(backend, pipeline_name)
        return describe(backend, pipeline_name)

    SageMakerModelBackend.describe_pipeline = strict_describe


def run_monitors() -> None:
    """Say of a processing job which schedule's run it was and how it ended, as the tags of a test say.

    moto 5.2.5 knows no monitoring schedules; goes when it does, and runs them.
    """
    describe = SageMakerModelBackend.describe_processing_job

    def describe_run(backend: Any, processing_job_name: str) -> Any:
        job = dict(describe(backend, processing_job_name))
        tags = _tags(job.pop("Tags", []))
        if schedule := tags.get("schedule"):
            job["MonitoringScheduleArn"] = _monitoring_schedule_arn(backend, schedule)
        return {**job, "ExitMessage": tags["exit-message"]} if "exit-message" in tags else job

    def describe_schedule(response: Any) -> ActionResult:
        name, backend = response._get_param("MonitoringScheduleName"), response.sagemaker_backend
        runs = [tags for job in backend.processing_jobs.values() if (tags := _tags(job.tags)).get("schedule") == name]
        if not runs:
            raise _error("ResourceNotFound", f"Could not find monitoring schedule '{name}'.")
        schedule = {"MonitoringScheduleName": name, "MonitoringScheduleArn": _monitoring_schedule_arn(backend, name)}
        return ActionResult(schedule | ({"EndpointName": runs[-1]["endpoint"]} if "endpoint" in runs[-1] else {}))

    SageMakerModelBackend.describe_processing_job = describe_run
    SageMakerResponse.describe_monitoring_schedule = describe_schedule


def run_until_stopped() -> None:
    """Let executions of a pipeline with the tag ``runs`` run until StopPipelineExecution ends them.

    moto 5.2.5 ends each execution at its start, and does not know StopPipelineExecution; goes when it has both.
    """
    start = SageMakerModelBackend.start_pipeline_execution

    def start_running(backend: Any, name: str, *more: Any) -> dict[str, str]:
        answer: dict[str, str] = start(backend, name, *more)
        pipeline = backend.pipelines[name]
        if "runs" in _tags(pipeline.tags):
            execution = pipeline.pipeline_executions[answer["PipelineExecutionArn"]]
            execution.pipeline_execution_status = "Executing"
        return answer

    def stop(response: Any) -> ActionResult:
        arn = response._get_param("PipelineExecutionArn")
        for pipeline in response.sagemaker_backend.pipelines.values():
            if execution := pipeline.pipeline_executions.get(arn):
                execution.pipeline_execution_status = "Stopped"
                return ActionResult({"PipelineExecutionArn": arn})
        raise _error("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")

    SageMakerModelBackend.start_pipeline_execution = start_running
    SageMakerResponse.stop_pipeline_execution = stop


def _tags(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _monitoring_schedule_arn(backend: Any, name: str) -> str:
    return f"arn:aws:sagemaker:{backend.region_name}:{backend.account_id}:monitoring-schedule/{name}"


def _existing(backend: Any, name: str) -> Any:
    if name not in backend.pipelines:
        # moto answers ValidationException, SageMaker this.
        raise _error("ResourceNotFound", f"Pipeline '{name}' does not exist.")
    return backend.pipelines[name]


def _check_parameters(definition: dict[str, Any], given: list[dict[str, str]]) -> None:
    declared = {parameter["Name"]: parameter for parameter in definition.get("Parameters", [])}
    if len(given) > 200:
        raise _error("ValidationException", "at most 200 parameters")
    for parameter in given:
        name, value = parameter["Name"], parameter["Value"]
        if name not in declared:
            raise _error("ValidationException", f"Unknown parameter '{name}'")
        if not 1 <= len(value) <= 1024:
            raise _error("ValidationException", f"'{name}' has {len(value)} characters")
        try:
            typed = _TYPES[declared[name]["Type"]](value)
        except ValueError:
            typed = None
        if typed is None:
            raise _error("ValidationException", f"'{name}' is no {declared[name]['Type']}")
        if (allowed := declared[name].get("EnumValues")) and value not in allowed:
            raise _error("ValidationException", f"'{name}' is none of {allowed}")
    for name in declared.keys() - {parameter["Name"] for parameter in given}:
        if "DefaultValue" not in declared[name]:
            raise _error("ValidationException", f"Parameter '{name}' is undefined.")


def _error(code: str, message: str) -> Exception:
    error: Exception = JsonRESTError(code, message)
    return error
