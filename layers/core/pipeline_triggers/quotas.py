"""AWS's quotas that documents can run into: what exceeds them can't be deployed, and is told at check."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from pipeline_triggers.models import Trigger
from pipeline_triggers.sources import HANDLERS, SOURCES
from pipeline_triggers.stages import resolve

PATTERN_LENGTH = 2048  # EventBridge: event pattern size, per rule; can be raised
RULES_PER_BUS = 300  # EventBridge: rules per event bus; can be raised; 100 in some Regions
RESOURCES = 500  # CloudFormation: resources per template
INLINE_POLICIES = 10_240  # IAM: characters of all inline policies of a role, white space not counted
QUEUE_AND_LOG_POLICIES = 1_000  # of those, what template.yaml takes, and some to spare
DEFAULT_BUS = "default"

# As long as they get: the Region and account stand in every ARN.
_LONGEST = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": "ap-southeast-1",
}


def exceeded(triggers: Iterable[Trigger]) -> Iterator[tuple[str | None, str]]:
    """Give (the trigger, or None for all of them, what exceeds which quota); the triggers are those of one stage."""
    triggers = list(triggers)
    for trigger in triggers:
        pattern = SOURCES[trigger.when.source].pattern(trigger.when.fields, lambda text: resolve(text, _LONGEST))
        if (length := len(json.dumps(pattern, separators=(",", ":")))) > PATTERN_LENGTH:
            told = f"EventBridge's quota 'event pattern size' is {PATTERN_LENGTH}; name fewer, or ask for less"
            yield trigger.id, f"its event pattern has {length} characters; {told}"
    for handler in dict.fromkeys(SOURCES[trigger.when.source].handler for trigger in triggers):
        handled = [trigger for trigger in triggers if SOURCES[trigger.when.source].handler == handler]
        pipelines = {start.pipeline for trigger in handled for start in trigger.start}
        spellings = {spelling for pipeline in pipelines for spelling in (pipeline, pipeline.lower())}
        arn = resolve('"arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/",', _LONGEST)
        length = QUEUE_AND_LOG_POLICIES + sum(len(arn) + len(spelling) for spelling in spellings)
        if length > INLINE_POLICIES:
            told = f"IAM's quota 'inline policies of a role' is {INLINE_POLICIES}; use fewer or shorter names"
            yield (
                None,
                f"the {len(pipelines)} pipelines that {handler} may start need about {length} characters; {told}",
            )
    if (resources := len(triggers) + len(HANDLERS)) > RESOURCES:
        told = f"CloudFormation's quota 'resources per template' is {RESOURCES}; split them between two stacks"
        yield None, f"{len(triggers)} triggers need {resources} resources; {told}"


def to_raise(triggers: Iterable[Trigger]) -> Iterator[str]:
    """Give what deploys only when a quota has been raised."""
    rules = Counter(trigger.when.fields.get("bus", DEFAULT_BUS) for trigger in triggers)
    for bus, count in rules.items():
        if count > RULES_PER_BUS:
            quota = f"EventBridge's quota 'rules per event bus' ({RULES_PER_BUS})"
            yield f"{count} rules on the bus {bus}: have {quota} raised"
