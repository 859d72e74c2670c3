"""The SageMaker SDK speaks to the embedded AWS."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.localaws import ACCOUNT
from tests.localaws.local_aws import LocalAws

SCRIPT = f"""
import json
from sagemaker.session import Session
from sagemaker.workflow.pipeline import Pipeline
from sagemaker.workflow.triggers import PipelineSchedule

pipeline = Pipeline(name="left-behind", steps=[], sagemaker_session=Session())
role = "arn:aws:iam::{ACCOUNT}:role/scheduler"
pipeline.create(role)
pipeline.put_triggers([PipelineSchedule(name="left-behind", rate=(5, "minutes"))], role_arn=role)
described = pipeline.describe_trigger("left-behind")
pipeline.delete()
print(json.dumps(described))
"""


def test_a_deleted_pipeline_leaves_its_schedules_behind(aws: LocalAws, sdk: Callable[[str], str]) -> None:
    """As the SageMaker guide warns; the schedule goes on firing."""
    described = json.loads(sdk(SCRIPT))
    assert described["Schedule_Expression"] == "rate(5 minutes)"
    scheduler = aws.client("scheduler")
    left = scheduler.get_schedule(Name="left-behind")
    assert left["Target"]["Arn"].endswith(":pipeline/left-behind")
    assert left["State"] == "ENABLED"
    scheduler.delete_schedule(Name="left-behind")
