"""SageMaker pipelines: how others name them, and whether they exist."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account.home import Home

# DescribePipeline takes a name of at most 256 characters. Without re.ASCII, the Kelvin sign would count as a k and the
# long s as an s: names that SageMaker refuses.
_NAME = r"(?P<name>(?=.{1,256}\Z)[a-zA-Z0-9](?:-*[a-zA-Z0-9]){0,255})"
_PIPELINE = re.compile(
    rf"(?:arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{{12}}):pipeline/)?{_NAME}",
    re.ASCII | re.IGNORECASE,
)


class Status(Enum):
    """What SageMaker knows of a pipeline."""

    EXISTS = "exists"
    DELETING = "is being deleted"
    GONE = "does not exist"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline, with its name as a schedule or target spells it: ARNs may have it in lower case."""

    account: str
    region: str
    name: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What two spellings of one pipeline have in common."""
        return self.account, self.region.lower(), self.name.lower()

    def __str__(self) -> str:
        return self.name

    def arns(self, home: Home) -> tuple[str, ...]:
        """Return the ARN in both spellings."""
        arn = f"arn:{home.partition}:sagemaker:{self.region}:{self.account}:pipeline/"
        return tuple(dict.fromkeys((arn + self.name, arn + self.name.lower())))


def parse(text: object, home: Home) -> Pipeline | None:
    """Read a pipeline's ARN or bare name; None for anything else."""
    match = _PIPELINE.fullmatch(text) if isinstance(text, str) else None
    if not match:
        return None
    return Pipeline(match["account"] or home.account, match["region"] or home.region, match["name"])


def status(names: Iterable[str]) -> Status:
    """Ask SageMaker for a pipeline by each of its spellings. Only ResourceNotFound for all of them means GONE.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the request failed, or AWS denied it.

    """
    for name in names:
        try:
            answer = aws.patient_sagemaker().describe_pipeline(PipelineName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFound":
                raise
        else:
            return Status.DELETING if answer.get("PipelineStatus") == "Deleting" else Status.EXISTS
    return Status.GONE


def exists(name: str) -> bool:
    """Whether a pipeline exists (or is being deleted) whose name differs in the case of its letters at most.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the request failed, or AWS denied it.

    """
    return status([name]) is not Status.GONE or bool(other_spellings([name], listed()))


def listed(**filters: Any) -> list[str]:
    """Return the names of all pipelines, or of those that ListPipelines' filters leave.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the request failed, or AWS denied it.

    """
    paginator = aws.patient_sagemaker().get_paginator("list_pipelines")
    pages = paginator.paginate(**filters, PaginationConfig={"PageSize": 100})
    return [summary["PipelineName"] for page in pages for summary in page["PipelineSummaries"]]


def other_spellings(names: list[str], candidates: Iterable[str]) -> list[str]:
    """Return the candidates that differ from these names by the case of their letters only.

    SageMaker writes names in ARNs in lower case: a target that says train may mean a pipeline Train.
    """
    return [name for name in candidates if name.lower() == names[0].lower() and name not in names]
