"""AWS's quotas that documents can run into: what exceeds them can't be deployed, and fails the check."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline_triggers.documents import pattern_check
from pipeline_triggers.language import sources
from pipeline_triggers.language.sources import BATCHES, SOURCES, STARTERS
from pipeline_triggers.language.stages import Stages, resolve
from pipeline_triggers.models import Trigger, all_views

PATTERN_LENGTH = 2048  # EventBridge: event pattern size, per rule; can be raised
RULES_PER_BUS = 300  # EventBridge: rules per event bus; can be raised
RULES_PER_BUS_IN_SOME_REGIONS = 100
WILDCARD_RULES_PER_BUS = 30  # EventBridge: rules that contain wildcard, per event bus
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
    """Yield (a trigger, what it needs beyond which quota); the triggers are those of one stage, resolved by LONGEST."""
    wildcards: Counter[str] = Counter()
    for trigger in all_views(triggers):
        pattern = sources.pattern(trigger.when, lambda text: resolve(text, LONGEST))
        if (length := len(json.dumps(pattern, separators=(",", ":")))) > PATTERN_LENGTH:
            quota = f"EventBridge's quota 'event pattern size' is {PATTERN_LENGTH}"
            yield trigger.id, f"has an event pattern of {length} characters; {quota}, so match fewer values"
        if pattern_check.uses(pattern, "wildcard"):
            bus = _bus(trigger)
            wildcards[bus] += 1
            if wildcards[bus] > WILDCARD_RULES_PER_BUS:
                remedy = f"EventBridge allows {WILDCARD_RULES_PER_BUS}, so use prefix or suffix, and an if"
                yield trigger.id, f"is rule {wildcards[bus]} with wildcard on the bus {bus}; {remedy}"


def of_stages(stages: Stages) -> Iterator[str]:
    """Yield what the stages need beyond which quota."""
    for what, count in (("stages", len(stages)), ("names", max(map(len, stages.values()), default=0))):
        if count > MAPPING_ATTRIBUTES:
            yield f"has {count} {what}; CloudFormation's quota 'mapping attributes' is {MAPPING_ATTRIBUTES}; use fewer"


def policies(pipelines: Iterable[str], stages: Stages) -> list[list[str]]:
    """Divide pipelines between policies, so that each policy fits IAM's quota in every stage."""
    return _divided({name: 2 * (len(_PIPELINE_ARN) + _longest(name, stages)) for name in pipelines})


def lookups(arns: Mapping[str, tuple[str, ...]], stages: Stages) -> list[list[str]]:
    """Divide ARNs, each with the actions of its own statement, in the same way."""
    actions = {arn: sum(len(action) + 3 for action in some) for arn, some in arns.items()}
    return _divided({arn: 2 * (_longest(arn, stages) + 3) + actions[arn] + _STATEMENT for arn in arns})


def _longest(text: str, stages: Stages) -> int:
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


def to_raise(triggers: Sequence[Trigger], stages: Stages) -> Iterator[tuple[str, str]]:
    """Yield (the trigger that crosses the line, what deploys only when a quota has been raised)."""
    yield from _rules_to_raise(triggers)
    yield from _topics_to_reduce(triggers)
    views = all_views(triggers)
    of_starters = {starter: [view for view in views if sources.starter(view) == starter] for starter in STARTERS}
    of_starters[BATCHES] = [view for view in views if not view.direct]
    for starter, its_views in of_starters.items():
        started = {start.pipeline: view.id for view in its_views for start in view.start}
        if (count := len(policies(started, stages))) > POLICIES_PER_ROLE:
            quota = f"IAM's quota 'managed policies attached to a role' ({POLICIES_PER_ROLE})"
            message = f"{len(started)} pipelines need {count} policies on the role of {starter}; have {quota} raised"
            yield list(started.values())[-1], message


def _rules_to_raise(triggers: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    rules: dict[str, list[str]] = defaultdict(list)
    for trigger in all_views(triggers):
        if SOURCES[trigger.when.source].pattern:
            rules[_bus(trigger)].append(trigger.id)
    for bus, names in rules.items():
        if (count := len(names)) > RULES_PER_BUS_IN_SOME_REGIONS:
            where = "" if count > RULES_PER_BUS else " if they do not fit beside the account's other rules"
            quota = f"EventBridge's quota 'rules per event bus' ({RULES_PER_BUS}, in some Regions 100)"
            first = names[RULES_PER_BUS if count > RULES_PER_BUS else RULES_PER_BUS_IN_SOME_REGIONS]
            yield first, f"{count} rules are on the bus {bus}; have {quota} raised{where}"


def _topics_to_reduce(triggers: Iterable[Trigger]) -> Iterator[tuple[str, str]]:
    views = [view for view in all_views(triggers) if view.enabled]
    topics = {topic: view.id for view in views if (topic := sources.topic(view.when))}
    if (length := sum(len(topic) + 40 for topic in topics)) > QUEUE_POLICY_LENGTH - 2000:
        need = f"{len(topics)} topics need about {length} characters of the queue's policy"
        yield list(topics.values())[-1], f"{need}; SQS allows {QUEUE_POLICY_LENGTH}, so use fewer topics"


def _bus(trigger: Trigger) -> str:
    return str(trigger.when.fields.get("bus", DEFAULT_BUS))
