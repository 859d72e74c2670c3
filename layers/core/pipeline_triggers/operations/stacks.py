"""A deployed stack: what CloudFormation made of template.yaml, and with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.errors import PipelineTriggersError


class NotDeployed(PipelineTriggersError):
    """The stack, or a part of it, does not exist in this account and Region; the message has the remedy."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack: ``resources`` maps logical to physical ids (of a queue its URL, of a table its name)."""

    name: str
    parameters: Mapping[str, str]
    resources: Mapping[str, str]


def stack(name: str) -> Stack:
    """Ask CloudFormation for a stack.

    Raises:
        NotDeployed: the stack does not exist here.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    cloudformation = aws.cloudformation()
    try:
        description = _description(name)
    except ClientError as error:
        if "does not exist" not in error.response["Error"]["Message"]:
            raise
        region = cloudformation.meta.region_name
        remedy = "name another with --stack, or another Region with AWS_DEFAULT_REGION"
        raise NotDeployed(f"stack {name} does not exist in {region}; {remedy}") from error
    resources = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
        for resource in page["StackResourceSummaries"]
        if "PhysicalResourceId" in resource
    }
    parameters = {
        parameter["ParameterKey"]: parameter.get("ParameterValue", "")
        for parameter in description.get("Parameters", [])
    }
    return Stack(name, parameters, resources)


def _description(name: str) -> Any:
    """Describe a stack, at first without patience: where AWS can't be reached, that shows within ten seconds."""
    try:
        return aws.impatient("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if not aws.is_transient(error):
            raise
    return aws.cloudformation().describe_stacks(StackName=name)["Stacks"][0]
