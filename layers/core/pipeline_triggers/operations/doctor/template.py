"""What a stack's resources should be: its deployed template, with CloudFormation's functions evaluated. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline_triggers.account.home import Home
from pipeline_triggers.operations.stacks import Stack

_NO_VALUE = object()

_REFERENCE = re.compile(r"\$\{([A-Za-z0-9:.]+)\}")


@dataclass(frozen=True)
class Template:
    """A deployed template: ``body`` as CloudFormation processed it, ``stack`` what it made of it."""

    stack: Stack
    body: Mapping[str, Any]
    home: Home

    def resources(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the logical ids of the resources of a type that exist, each with its properties."""
        for name, resource in self.body["Resources"].items():
            if resource["Type"] == kind and name in self.stack.resources:
                yield name, self._evaluated(resource.get("Properties", {}))

    def _evaluated(self, value: Any) -> Any:
        match value:
            case {"Ref": str(name)} if len(value) == 1:
                return self._reference(name)
            case {"Fn::GetAtt": [str(name), str(attribute)]}:
                return self._attribute(name, attribute)
            case {"Fn::Sub": [str(text), dict(values)]}:
                return self._substituted(text, self._evaluated(values))
            case {"Fn::Sub": str(text)}:
                return self._substituted(text, {})
            case {"Fn::FindInMap": [name, first, second]}:
                return self.body["Mappings"][name][self._evaluated(first)][self._evaluated(second)]
            case {"Fn::If": [str(condition), then, otherwise]}:
                return self._evaluated(then if self._holds(self.body["Conditions"][condition]) else otherwise)
            case dict():
                evaluated = {name: self._evaluated(one) for name, one in value.items()}
                return {name: one for name, one in evaluated.items() if one is not _NO_VALUE}
            case list():
                return [one for one in map(self._evaluated, value) if one is not _NO_VALUE]
        return value

    def _reference(self, name: str) -> Any:
        known = {
            **self.stack.parameters,
            **self.stack.resources,
            **self.home.pseudo_parameters(),
            "AWS::StackName": self.stack.name,
            "AWS::NoValue": _NO_VALUE,
        }
        return known[name]

    def _substituted(self, text: str, values: Mapping[str, str]) -> str:
        def value(match: re.Match[str]) -> str:
            name, _, attribute = match[1].partition(".")
            if match[1] in values:
                return str(values[match[1]])
            return str(self._attribute(name, attribute) if attribute else self._reference(name))

        return _REFERENCE.sub(value, text)

    def _attribute(self, name: str, attribute: str) -> str:
        """Return an attribute of a resource: of those that templates here name, all but ``Arn`` are a queue's name."""
        physical_id = self.stack.resources[name]
        if attribute == "QueueName":
            return physical_id.rpartition("/")[2]
        return self._arn(self.body["Resources"][name]["Type"], physical_id)

    def _arn(self, kind: str, physical_id: str) -> str:
        partition, region, account = self.home.partition, self.home.region, self.home.account
        own = f"{region}:{account}"
        parts = {
            "AWS::SQS::Queue": f"sqs:{own}:{physical_id.rpartition('/')[2]}",
            "AWS::IAM::Role": f"iam::{account}:role/{physical_id}",
            "AWS::Lambda::Function": f"lambda:{own}:function:{physical_id}",
            "AWS::DynamoDB::Table": f"dynamodb:{own}:table/{physical_id}",
            "AWS::Logs::LogGroup": f"logs:{own}:log-group:{physical_id}:*",
            "AWS::Events::EventBus": f"events:{own}:event-bus/{physical_id}",
            "AWS::Events::Rule": f"events:{own}:rule/{physical_id}",
            "AWS::Scheduler::ScheduleGroup": f"scheduler:{own}:schedule-group/{physical_id}",
            "AWS::S3::Bucket": f"s3:::{physical_id}",
        }
        return physical_id if physical_id.startswith("arn:") else f"arn:{partition}:{parts[kind]}"

    def _holds(self, condition: Any) -> bool:
        match condition:
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::Equals": [first, second]}:
                return bool(self._evaluated(first) == self._evaluated(second))
            case {"Condition": str(name)}:
                return self._holds(self.body["Conditions"][name])
        raise ValueError(f"the templates here have no such condition: {condition}")


def same(first: Any, second: Any) -> bool:
    """Whether two values are the same to AWS: CloudFormation writes numbers and truth values as text."""
    return bool(_plain(first) == _plain(second))


def same_policy(first: Any, second: Any) -> bool:
    """Whether two policies are the same: the order of a list means nothing, and one value stands for a list of it."""
    return bool(_plain(first, policy=True) == _plain(second, policy=True))


def _plain(value: Any, *, policy: bool = False) -> Any:
    match value:
        case dict():
            return {name: _plain(one, policy=policy) for name, one in value.items()}
        case list() | tuple():
            plain = [_plain(one, policy=policy) for one in value]
            if not policy:
                return plain
            return plain[0] if len(plain) == 1 else sorted(plain, key=lambda one: json.dumps(one, sort_keys=True))
        case bool():
            return str(value).lower()
    return str(value)
