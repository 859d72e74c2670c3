"""What the commands about a deployed stack begin with: the stack, and the documents as its stage sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline_triggers.account import home
from pipeline_triggers.cli import output
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.language import triggers_json
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.models import Limits, Trigger
from pipeline_triggers.operations import stacks
from pipeline_triggers.operations.check_account import triggers_of
from pipeline_triggers.operations.doctor.deployment import Deployment
from pipeline_triggers.operations.stacks import Stack


@dataclass(frozen=True, slots=True)
class DeployedTriggers:
    """A deployed stack, with the triggers and the pipelines' limits of the documents on this disk."""

    stack: Stack
    triggers: Sequence[Trigger]
    limits: dict[str, Limits]

    def trigger(self, name: str) -> Trigger:
        """Return the trigger with an id or, where that is clear, a name; end the command if there is not one."""
        named = [trigger for trigger in self.triggers if name in (trigger.id, trigger.id.partition("/")[2])]
        if len(named) != 1:
            ids = ", ".join(trigger.id for trigger in named or self.triggers)
            raise output.usage_error(f"the documents have {len(named) or 'no'} triggers {name}; name one of {ids}")
        return named[0]


def deployed(directory: Path, stack: str) -> DeployedTriggers:
    """Read a deployed stack and the documents; end the command when they do not fit."""
    deployed_stack = stacks.stack(stack)
    loaded = loader.load(directory)
    stage = deployed_stack.parameters["Stage"]
    if stage not in loaded.stages:
        raise output.Failed(f"{stack} has the stage {stage}, which stages.yaml lacks")
    values = home.current().pseudo_parameters()
    return DeployedTriggers(deployed_stack, triggers_of(loaded, stage, values), limits_of(loaded, stage, values))


def limits_of(documents: Documents, stage: str, values: Mapping[str, str]) -> dict[str, Limits]:
    """Return the limits as a stage sees them, with the pseudo parameters' values."""
    names = {**documents.stages[stage], **values}
    return {resolve(pipeline, names): limits for pipeline, limits in documents.limits.items()}


def deployment(directory: Path, stack: str, only: str | None = None) -> Deployment:
    """Return a deployed stack as AWS describes it, with the documents' triggers as it would have them.

    Without those where the documents have no such stage; ``only`` is the id of a trigger.
    """
    documents = loader.load(directory)
    here = Deployment(stacks.stack(stack), only=only)
    stage = here.stack.parameters["Stage"]
    if stage in documents.stages:
        text = triggers_json.dump(documents.triggers, documents.stages)
        here.documents = triggers_json.load(text, stage, here.home.pseudo_parameters())
    return here
