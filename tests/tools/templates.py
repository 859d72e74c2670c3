"""Lint what CloudFormation gets: ``template.yaml`` as SAM transforms it, the compiled stack, and those in ``docs/``.

cfn-lint finds more in the transformed template than in the written one; cfripper looks for what is too open.
Run ``python -m tests.tools.templates``.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import yaml
from samcli.yamlhelper import yaml_parse

from tests import PROJECT
from tests.localaws import ACCOUNT, REGION

_NO_VALUE = {"Ref": "AWS::NoValue"}

# IAM grants these on everything or not at all.
_ACCEPTED = {
    f'WildcardResourceRule "JanitorRole" is using a wildcard resource in "clean-up" for "{action}"'
    for action in ("cloudformation:DescribeStackResources", "sagemaker:ListPipelines", "scheduler:ListSchedules")
} | {
    # Each object is written once, under a name of its own.
    "S3ObjectVersioningRule S3 Bucket BatchBucket is required to have object versioning enabled",
}

FORWARDING = PROJECT / "docs" / "forwarding"
COMPILED_STACK = PROJECT / "layers" / "triggers" / "compiled" / "stack.yaml"


def written(path: Path = PROJECT / "template.yaml") -> dict[str, Any]:
    """Return a template as it is written."""
    # sam's reader changes PyYAML's own for everybody: what is read later would have ordered mappings.
    with patch.object(yaml.SafeLoader, "yaml_constructors", dict(yaml.SafeLoader.yaml_constructors)):
        return cast("dict[str, Any]", yaml_parse(path.read_text(encoding="utf-8")))


@cache
def _written() -> dict[str, Any]:
    return written()


def table_keys(name: str) -> dict[str, Any]:
    """Return what CreateTable needs to know of a table of ``template.yaml``."""
    properties = _written()["Resources"][name]["Properties"]
    members = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes")
    return {member: properties[member] for member in members if member in properties}


def transformed() -> dict[str, Any]:
    """Return ``template.yaml`` as CloudFormation gets it after the SAM transform."""
    return copy.deepcopy(_transformed())


def with_parameters(**given: str) -> dict[str, Any]:
    """Return the transformed template's resources as CloudFormation creates them with these parameters."""
    template = _transformed()
    values = {name: str(parameter.get("Default", "")) for name, parameter in template["Parameters"].items()} | given
    holds = {name: _holds(condition, values) for name, condition in template["Conditions"].items()}
    return {
        name: _without_conditions(resource, holds)
        for name, resource in template["Resources"].items()
        if holds.get(resource.get("Condition"), True)
    }


def _holds(condition: dict[str, Any], values: Mapping[str, str]) -> bool:
    """Evaluate a condition of the one form that the template has: a parameter is not empty."""
    ((_, (equals,)),) = condition.items()
    parameter, empty = equals["Fn::Equals"]
    return bool(values[parameter["Ref"]] != empty)


def _without_conditions(value: Any, holds: Mapping[str, bool]) -> Any:
    """Replace each Fn::If by what holds, and leave out what has no value."""
    if isinstance(value, dict):
        if "Fn::If" in value:
            condition, then, otherwise = value["Fn::If"]
            return _without_conditions(then if holds[condition] else otherwise, holds)
        items = {name: _without_conditions(item, holds) for name, item in value.items()}
        return {name: item for name, item in items.items() if item != _NO_VALUE}
    if isinstance(value, list):
        return [item for one in value if (item := _without_conditions(one, holds)) != _NO_VALUE]
    return value


@cache
def _transformed() -> dict[str, Any]:
    # Takes a second to import, and not all that read the template need it.
    from samcli.lib.translate.sam_template_validator import SamTemplateValidator
    from samtranslator.translator.managed_policy_translator import ManagedPolicyLoader

    written = copy.deepcopy(_written())
    # The loader would ask IAM for managed policies by name; the template names none.
    # sam package puts the uploaded file's address here.
    written["Resources"]["TriggersStack"]["Properties"]["TemplateURL"] = "https://s3.amazonaws.com/artifacts/stack"
    validator = SamTemplateValidator(written, ManagedPolicyLoader(None), region=REGION)
    return cast("dict[str, Any]", yaml.safe_load(validator.get_translated_template_if_valid()))


def findings(template: str) -> list[str]:
    """Return what cfn-lint finds in a template, each with its rule first and its place last."""
    from cfnlint.api import lint  # takes seconds to import

    return [f"{finding.rule.id} {finding} at {'/'.join(map(str, finding.path))}" for finding in lint(template)]


def risks(template: dict[str, Any]) -> list[str]:
    """Return what cfripper finds in a template, each with its rule first."""
    import pycfmodel  # takes seconds to import, as does cfripper
    from cfripper.config.config import Config
    from cfripper.rule_processor import RuleProcessor
    from cfripper.rules import DEFAULT_RULES

    # It logs each type of resource and each value that it does not know.
    logging.disable(logging.WARNING)
    try:
        config = Config(stack_name="pipeline-triggers", rules=list(DEFAULT_RULES), aws_account_id=ACCOUNT)
        scanner = RuleProcessor(*(rule(config) for rule in DEFAULT_RULES.values()))
        result = scanner.process_cf_template(pycfmodel.parse(template).resolve(), config)
    finally:
        logging.disable(logging.NOTSET)
    found = {f"{failure.rule} {failure.reason}" for failure in result.failures}
    return sorted(found - _ACCEPTED)


def main() -> int:
    """Print every finding; the exit code says whether there was one."""
    texts = {
        "template.yaml, transformed": json.dumps(transformed()),
        "compiled/stack.yaml": COMPILED_STACK.read_text(encoding="utf-8"),
        **{f"docs/forwarding/{path.name}": json.dumps(written(path)) for path in FORWARDING.glob("*.yaml")},
    }
    problems = [
        f"{name}: {finding}"
        for name, text in texts.items()
        # cfripper reads no template that is not valid.
        for finding in findings(text) or risks(yaml.safe_load(text))
    ]
    for problem in problems:
        print(problem, file=sys.stderr)  # noqa: T201 - a command's output
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
