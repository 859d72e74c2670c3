"""AWS's quotas that documents can run into: what exceeds them can't be deployed, and is told at check."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pipeline_triggers.documents import pattern_check
from pipeline_triggers.language import sources
from pipeline_triggers.language.sources import SOURCES, STARTERS
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.models import Trigger

PATTERN_LENGTH = 2048  # EventBridge: event pattern size, per rule; can be raised
RULES_PER_BUS = 300  # EventBridge: rules per event bus; can be raised
RULES_PER_BUS_IN_SOME_REGIONS = 100
WILDCARD_RULES_PER_BUS = 30  # EventBridge: rules that contain wildcard, per event bus
RESOURCES = 500  # CloudFormation: resources per template
TEMPLATE_BYTES = 1_000_000  # CloudFormation: template body size
MAPPING_ATTRIBUTES = 200  # CloudFormation: names in a mapping, and under each
POLICY_LENGTH = 6144  # IAM: characters of a managed policy, white space not counted
POLICIES_PER_ROLE = 10  # IAM: managed policies attached to a role; can be raised
QUEUE_POLICY_LENGTH = 8192  # SQS: bytes of a queue's policy
DEFAULT_BUS = "default"

# As long as they get: the Region and account stand in every ARN.
LONGEST = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "us-isof-south-1",
}

_PIPELINE_ARN = resolve('"arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/",', LONGEST)
_STATEMENT = 60  # characters of a statement besides its actions and ARNs
_REST_OF_POLICY = 200  # characters of a starter's policy besides the ARNs


def exceeded(triggers: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    """Give (the trigger, what exceeds which quota); the triggers are those of one stage."""
    wildcards: Counter[str] = Counter()
    for trigger in triggers:
        pattern = sources.pattern(trigger.when, lambda text: resolve(text, LONGEST))
        if (length := len(json.dumps(pattern, separators=(",", ":")))) > PATTERN_LENGTH:
            told = f"EventBridge's quota 'event pattern size' is {PATTERN_LENGTH}; name fewer, or ask for less"
            yield trigger.id, f"its event pattern has {length} characters; {told}"
        bus = _bus(trigger)
        wildcards[bus] += pattern_check.uses(pattern, "wildcard")
        if pattern_check.uses(pattern, "wildcard") and wildcards[bus] > WILDCARD_RULES_PER_BUS:
            told = f"EventBridge has {WILDCARD_RULES_PER_BUS} at most; use prefix or suffix, and write an if"
            yield trigger.id, f"is rule {wildcards[bus]} with wildcard on the bus {bus}; {told}"


def of_stages(stages: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Give what of the stages exceeds which quota."""
    for what, count in (("stages", len(stages)), ("names", max(map(len, stages.values()), default=0))):
        if count > MAPPING_ATTRIBUTES:
            quota = f"CloudFormation's quota 'mapping attributes' is {MAPPING_ATTRIBUTES}"
            yield f"has {count} {what}; {quota}; write fewer"


def of_template(resources: int, size: int) -> list[str]:
    """Return what a compiled stack exceeds."""
    remedy = "split the triggers between two stacks"
    return [
        f"the triggers need {count} {what}; CloudFormation's quota '{quota}' is {most}; {remedy}"
        for count, what, quota, most in (
            (resources, "resources", "resources per template", RESOURCES),
            (size, "bytes of template", "template body size", TEMPLATE_BYTES),
        )
        if count > most
    ]


def policies(pipelines: Iterable[str], stages: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """Divide pipelines between policies, so that each policy fits IAM's quota in every stage."""
    return _divided({name: 2 * (len(_PIPELINE_ARN) + _longest(name, stages)) for name in pipelines})


def asked(arns: Mapping[str, tuple[str, ...]], stages: Mapping[str, Mapping[str, str]]) -> list[list[str]]:
    """Divide ARNs, each with the actions of its own statement, in the same way."""
    actions = {arn: sum(len(action) + 3 for action in some) for arn, some in arns.items()}
    return _divided({arn: 2 * (_longest(arn, stages) + 3) + actions[arn] + _STATEMENT for arn in arns})


def _longest(text: str, stages: Mapping[str, Mapping[str, str]]) -> int:
    return max(len(resolve(text, {**LONGEST, **values})) for values in stages.values())


def _divided(lengths: Mapping[str, int]) -> list[list[str]]:
    """Divide names by how many characters they take, as written and lower-cased."""
    divided: list[list[str]] = []
    left = 0
    for name, length in lengths.items():
        if length > left:
            divided.append([])
            left = POLICY_LENGTH - _REST_OF_POLICY
        divided[-1].append(name)
        left -= length
    return divided


def to_raise(triggers: Iterable[Trigger], stages: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Give what deploys only when a quota has been raised."""
    triggers = list(triggers)
    rules = Counter(_bus(trigger) for trigger in triggers if SOURCES[trigger.when.source].pattern)
    for bus, count in rules.items():
        if count > RULES_PER_BUS_IN_SOME_REGIONS:
            where = "" if count > RULES_PER_BUS else " where they do not fit beside the account's other rules"
            quota = f"EventBridge's quota 'rules per event bus' ({RULES_PER_BUS}, in some Regions 100)"
            yield f"{count} rules on the bus {bus}: have {quota} raised{where}"
    topics = {topic for trigger in triggers if trigger.enabled and (topic := sources.topic(trigger.when))}
    if (length := sum(len(topic) + 40 for topic in topics)) > QUEUE_POLICY_LENGTH - 2000:
        told = f"about {length} characters of the queue's policy, of which SQS takes {QUEUE_POLICY_LENGTH}"
        yield f"{len(topics)} topics need {told}: use fewer"
    for starter in STARTERS:
        started = [trigger for trigger in triggers if sources.starter(trigger) == starter]
        names = dict.fromkeys(start.pipeline for trigger in started for start in trigger.start)
        if (count := len(policies(names, stages))) > POLICIES_PER_ROLE:
            quota = f"IAM's quota 'managed policies attached to a role' ({POLICIES_PER_ROLE})"
            yield f"{len(names)} pipelines need {count} policies at {starter}'s role: have {quota} raised"


def _bus(trigger: Trigger) -> str:
    return str(trigger.when.fields.get("bus", DEFAULT_BUS))
