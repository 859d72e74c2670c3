"""Documents → ``triggers.json`` (what the handlers read) and ``stack.yaml`` (a nested CloudFormation stack).

Pure: no AWS, and the same documents always give the same bytes, so that both files can be committed and
compared like a lock file.
"""

from __future__ import annotations

from typing import Any

import yaml

from pipeline_triggers.compile import size
from pipeline_triggers.compile.cloudformation import Resource, conditions, mappings
from pipeline_triggers.compile.dashboard import dashboard
from pipeline_triggers.compile.notifications import notifications
from pipeline_triggers.compile.policies import batch_policies, direct_policies, direct_role, handler_policies
from pipeline_triggers.compile.rules import rules
from pipeline_triggers.compile.schedules import deadlines, schedules
from pipeline_triggers.compile.subscriptions import subscriptions
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.language import triggers_json
from pipeline_triggers.language.sources import DIRECT_RULES, DIRECT_SCHEDULES, HANDLERS, starter
from pipeline_triggers.models import all_views

STACK = "stack.yaml"
PAST = "Past"  # in the stack's Metadata

_OPTIONAL = ("KmsKeyArn", "PermissionsBoundary")  # parameters, empty where not given

_HEADER = """\
# Compiled from the documents in layers/triggers by `triggers compile`. Do not edit; commit it with them.
"""


def compile_documents(documents: Documents, past: frozenset[str] = frozenset()) -> dict[str, str]:
    """Return the compiled files' texts by name.

    ``past`` says which times of schedules have passed (``schedules.past``): what never fires again is left out, and so
    is a start, which Scheduler refuses when it was more than five minutes ago.

    Raises:
        DocumentsError: the stack would be larger than CloudFormation takes.

    """
    stack = template(documents, past)
    text = _HEADER + yaml.dump(stack, Dumper=_WithoutAliases, sort_keys=False, width=110, allow_unicode=True)
    if problems := list(size.problems(documents, stack["Resources"], text)):
        raise DocumentsError(problems)
    return {"triggers.json": triggers_json.dump(documents.triggers, documents.stages, documents.limits), STACK: text}


class _WithoutAliases(yaml.CSafeDumper):
    """CloudFormation reads no YAML aliases, which PyYAML writes for equal values. libyaml writes the same, sooner."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def template(documents: Documents, past: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the stack's template."""
    resources = _direct(documents, past)
    for handler in HANDLERS:
        triggers = [view for view in all_views(documents.triggers) if starter(view) == handler]
        policies = handler_policies(handler, triggers, documents.stages)
        # An event that comes before the handler may start its pipeline would be denied.
        resources |= policies | rules(triggers, list(policies)) | schedules(triggers, list(policies), past)
        if handler == "OnSnsMessage":
            resources |= subscriptions(triggers, list(policies))
    of_batches = batch_policies(documents.triggers, documents.stages)
    resources |= of_batches | deadlines(documents.triggers, list(of_batches)) | notifications(documents)
    resources["Dashboard"] = dashboard(documents.triggers)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Pipeline Triggers - rules, schedules, subscriptions and policies, compiled from the documents",
        # Every source's queue is handed in, whether a trigger uses it now or not.
        "Metadata": {
            "cfn-lint": {"config": {"ignore_checks": ["W2001", "W7001", "W8001"]}},
            **({PAST: sorted(past)} if past else {}),
        },
        "Parameters": {
            "Stage": {"Type": "String", "AllowedValues": list(documents.stages)},
            **{name: {"Type": "String"} for name in _parameters()},
        },
        **conditions(_OPTIONAL),
        **mappings(documents.stages),
        "Resources": resources,
    }


def _parameters() -> list[str]:
    """Return the names of what the application's own template hands in."""
    of_handlers = [
        f"{handler}{name}" for handler in HANDLERS for name in ("QueueArn", "DeadLetterQueueArn", "RoleName")
    ]
    of_batches = ["OnBatchQueueArn", "OnBatchDeadLetterQueueArn", "OnBatchRoleName"]
    of_topic = ["OnSnsMessageQueueUrl", "OnSnsMessageDeadLetterQueueUrl", "RequestsTopicArn"]
    of_stack = ["StackName", "EventBusName", "ScheduleGroup", "ScheduleRoleArn"]
    return [*of_handlers, *of_batches, *of_topic, *of_stack, *_OPTIONAL]


def _direct(documents: Documents, past: frozenset[str]) -> dict[str, Resource]:
    """Return the direct triggers, with a role for EventBridge and one for Scheduler that may start their pipelines."""
    resources: dict[str, Resource] = {}
    for name, service, source in (
        (DIRECT_RULES, "events", "rule/*"),
        (DIRECT_SCHEDULES, "scheduler", "schedule-group/${ScheduleGroup}"),
    ):
        triggers = [view for view in all_views(documents.triggers) if starter(view) == name]
        if triggers:
            policies = direct_policies(name, triggers, documents.stages)
            resources |= {f"{name}Role": direct_role(service, source)} | policies
            resources |= rules(triggers, list(policies)) | schedules(triggers, list(policies), past)
    return resources
