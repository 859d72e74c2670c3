"""Documents → ``triggers.json`` (what the handlers read) and ``stack.yaml`` (a nested CloudFormation stack).

Pure: no AWS, and the same documents always give the same bytes, so that both files can be committed and
compared like a lock file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline_triggers import catalog
from pipeline_triggers.documents import Documents, Stages
from pipeline_triggers.models import Trigger
from pipeline_triggers.sources import HANDLERS, SOURCES
from pipeline_triggers.stages import PSEUDO_PARAMETERS, REFERENCE, references

COMPILED = "compiled"

MAX_DESCRIPTION_LENGTH = 512  # AWS::Events::Rule

_STAGES = "Stages"
_LOWER_CASED_STAGES = "LowerCasedStages"
_KNOWN_TO_SUB = PSEUDO_PARAMETERS | {"AWS::Partition"}

Resource = dict[str, Any]
Intrinsic = dict[str, Any]

_HEADER = """\
# Compiled from the documents in layers/triggers by `triggers compile`. Do not edit; commit it with them.
"""

# What a rule's target can't take within a day goes to the dead-letter queue. Both figures are
# EventBridge's own defaults, written down so that nobody has to look them up.
_RETRY_POLICY = {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400}


def compile_documents(documents: Documents) -> dict[str, str]:
    """Return the compiled files' texts by name."""
    return {
        "triggers.json": catalog.dump(documents.triggers, documents.stages),
        "stack.yaml": _HEADER + yaml.safe_dump(_stack(documents), sort_keys=False, width=110, allow_unicode=True),
    }


def stale(directory: Path, compiled: Mapping[str, str]) -> list[Path]:
    """Return the committed files that are not what compiling gives."""
    paths = {directory / COMPILED / name: text for name, text in compiled.items()}
    return [path for path, text in paths.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def write(directory: Path, compiled: Mapping[str, str]) -> None:
    """Write the compiled files."""
    (directory / COMPILED).mkdir(exist_ok=True)
    for name, text in compiled.items():
        (directory / COMPILED / name).write_text(text, encoding="utf-8")


def _stack(documents: Documents) -> dict[str, Any]:
    rules = {f"{_logical_id(trigger)}Rule": _rule(trigger) for trigger in documents.triggers}
    policies = {
        f"{handler}Starts": _starter_policy(f"{handler}RoleName", pipelines)
        for handler in HANDLERS
        if (pipelines := _pipelines(documents.triggers, handler))
    }
    handed_in = [f"{handler}{name}" for handler in HANDLERS for name in ("QueueArn", "DeadLetterQueueArn", "RoleName")]
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Pipeline Triggers - the rules and the starters' policies, compiled from the documents",
        # Every source's queue is handed in, whether a trigger uses it now or not.
        "Metadata": {"cfn-lint": {"config": {"ignore_checks": ["W2001", "W7001"]}}},
        "Parameters": {
            "Stage": {"Type": "String", "AllowedValues": list(documents.stages)},
            **{name: {"Type": "String"} for name in handed_in},
        },
        **_mappings(documents.stages),
        # CloudFormation refuses a stack without resources; this one costs nothing and does nothing.
        "Resources": {**rules, **policies} or {"NoTriggers": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
    }


def _mappings(stages: Stages) -> dict[str, Any]:
    """Hand the stages' values to CloudFormation, which refuses empty mappings."""
    if not all(stages.values()):
        return {}
    lower = {stage: {name: value.lower() for name, value in values.items()} for stage, values in stages.items()}
    return {
        "Mappings": {_STAGES: {stage: dict(values) for stage, values in stages.items()}, _LOWER_CASED_STAGES: lower}
    }


def _rule(trigger: Trigger) -> Resource:
    source = SOURCES[trigger.when.source]
    bus = trigger.when.fields.get("bus")
    return {
        "Type": "AWS::Events::Rule",
        # An event that comes before the handler may start its pipeline would be denied.
        "DependsOn": [f"{source.handler}Starts"],
        "Properties": {
            "Description": f"{trigger.id}: {trigger.description}"[:MAX_DESCRIPTION_LENGTH],
            "State": "ENABLED" if trigger.enabled else "DISABLED",
            **({"EventBusName": _text(bus)} if bus else {}),
            "EventPattern": source.pattern(trigger.when.fields, _text),
            "Targets": [
                {
                    "Id": "queue",
                    "Arn": {"Ref": f"{source.handler}QueueArn"},
                    # The whole event, never values picked out of it: those are not escaped, so an object's
                    # key could write JSON of its own.
                    "InputTransformer": {
                        "InputTemplate": f'{{"trigger": {json.dumps(trigger.id)}, "event": <aws.events.event.json>}}'
                    },
                    "DeadLetterConfig": {"Arn": {"Ref": f"{source.handler}DeadLetterQueueArn"}},
                    "RetryPolicy": dict(_RETRY_POLICY),
                }
            ],
        },
    }


def _pipelines(triggers: Iterable[Trigger], handler: str) -> list[str]:
    handled = [trigger for trigger in triggers if SOURCES[trigger.when.source].handler == handler]
    return list(dict.fromkeys(start.pipeline for trigger in handled for start in trigger.start))


def _starter_policy(role: str, pipelines: Iterable[str]) -> Resource:
    return {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "start-pipelines",
            "Roles": [{"Ref": role}],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["sagemaker:StartPipelineExecution", "sagemaker:DescribePipeline"],
                        "Resource": [arn for pipeline in pipelines for arn in _pipeline_arns(pipeline)],
                    }
                ],
            },
        },
    }


def _pipeline_arns(pipeline: str) -> list[Intrinsic]:
    """Name a pipeline in both spellings: SageMaker's ARNs may be lower-cased, and IAM compares letter by letter."""
    arn = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/"
    spellings = [_sub(arn + pipeline), _sub(arn + _lower(pipeline), _LOWER_CASED_STAGES)]
    return spellings if spellings[0] != spellings[1] else spellings[:1]


def _text(text: str) -> str | Intrinsic:
    """Write a document's text for CloudFormation: a literal, or with the stage's values in it."""
    names = references(text)
    if not names:
        return text
    if text == f"${{{names[0]}}}" and names[0] not in PSEUDO_PARAMETERS:
        return _stage_value(names[0], _STAGES)
    return _sub(text)


def _sub(text: str, mapping: str = _STAGES) -> Intrinsic:
    values = {name: _stage_value(name, mapping) for name in references(text) if name not in _KNOWN_TO_SUB}
    return {"Fn::Sub": [text, values] if values else text}


def _stage_value(name: str, mapping: str) -> Intrinsic:
    return {"Fn::FindInMap": [mapping, {"Ref": "Stage"}, name]}


def _lower(text: str) -> str:
    literals_and_names = enumerate(REFERENCE.split(text))
    return "".join(part.lower() if at % 2 == 0 else f"${{{part}}}" for at, part in literals_and_names)


def _logical_id(trigger: Trigger) -> str:
    """Name a trigger's resources: readable, and with a hash, because churn/a-b and churn-a/b read the same."""
    words = re.split(r"[^a-z0-9]+", trigger.id)
    return "".join(word.capitalize() for word in words) + hashlib.sha256(trigger.id.encode()).hexdigest()[:6]
