"""What else in the account starts the pipelines of the documents' triggers: both would run."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline_triggers.account import home
from pipeline_triggers.account.pipelines import Pipeline
from pipeline_triggers.account.references import Unread
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.operations import inventory
from pipeline_triggers.operations.check_account import triggers_of


def overlaps(documents: Documents, stage: str) -> Iterator[str]:
    """Say which schedules and rules start a pipeline that an enabled trigger starts, too.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    here = home.current()
    starters: dict[tuple[str, str, str], list[str]] = {}
    for trigger in triggers_of(documents, stage, here.pseudo_parameters()):
        for start in trigger.start if trigger.enabled else ():
            starters.setdefault(Pipeline(here.account, here.region, start.pipeline).key, []).append(trigger.id)
    compiled = {trigger.id for trigger in documents.triggers}
    unread = []
    for found in sorted(inventory.existing(here, compiled, lambda pipeline: pipeline.key in starters), key=str):
        if isinstance(found, Unread):
            unread.append(found)
            continue
        for pipeline in found.pipelines if found.enabled else ():
            triggers = ", ".join(starters[pipeline.key])
            remedy = "both run; remove one (triggers import writes a trigger like it)"
            yield f"{found} starts {pipeline}, as {triggers} does: {remedy}"
    if unread:
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        yield f"{unread[0]}{more} could not be read: {unread[0].reason}"
