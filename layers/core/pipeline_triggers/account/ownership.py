"""Which stack of CloudFormation a schedule or a rule belongs to."""

from __future__ import annotations

from botocore.exceptions import ClientError

from pipeline_triggers import aws
from pipeline_triggers.account.references import Reference, Schedule

# The states of a resource in which no stack owns it any more.
_NOT_OWNED = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})

# DescribeStackResources names at most this many of a stack's resources, and does not say that there are more.
LISTED_OF_A_STACK = 100


def owner(reference: Reference) -> str | None:
    """Say that a stack owns a schedule or rule, or may own it; None when no stack does.

    A schedule can't be tagged, so its stack is looked up in CloudFormation, by its physical id.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the request failed; a denial is a reason, not an error.

    """
    resource_type, physical_ids = _resource(reference)
    for physical_id in physical_ids:
        try:
            answer = aws.cloudformation().describe_stack_resources(PhysicalResourceId=physical_id)
        except ClientError as error:
            details = error.response["Error"]
            if details["Code"] == "ValidationError" and "does not exist" in details["Message"]:
                continue
            if aws.is_transient(error):
                raise
            return aws.refusal(error)
        # The answer holds the whole stack, also a deleted one; another resource may have the same physical id.
        resources = answer["StackResources"]
        for resource in resources:
            same = (resource.get("PhysicalResourceId"), resource["ResourceType"]) == (physical_id, resource_type)
            if same and resource["ResourceStatus"] not in _NOT_OWNED:
                return owned_by(resource["StackName"])
        if len(resources) >= LISTED_OF_A_STACK:
            return f"it may belong to the stack {resources[0]['StackName']}, which has too many resources to tell"
    return None


def owned_by(stack: str) -> str:
    """Say that a stack owns something, and where to remove it."""
    return f"it belongs to the stack {stack}; remove it there"


def _resource(reference: Reference) -> tuple[str, list[str]]:
    """Return the type of a resource, and the physical ids that CloudFormation may have given it."""
    if isinstance(reference, Schedule):
        return "AWS::Scheduler::Schedule", [reference.name]
    # A rule's Ref is its name, with its bus unless that is the default; the registry identifies a rule by its ARN.
    names = [reference.name] if reference.bus == "default" else [reference.name, f"{reference.bus}|{reference.name}"]
    return "AWS::Events::Rule", [*names, reference.rule["Arn"]]
