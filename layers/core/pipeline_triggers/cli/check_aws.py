"""What ``triggers check --aws`` adds: the account's problems, and what is good to know about the account."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers.cli import output
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.operations import check_account, check_manifests, cloudtrail, overlaps


def check_aws(documents: Documents, stage: str, past: frozenset[str]) -> None:
    """Check the documents against the account.

    Raises:
        DocumentsError: something is wrong; what is only good to know is printed.
        botocore.exceptions.BotoCoreError, ClientError: a request to AWS failed.

    """
    if problems := check_account.problems(documents, stage, past):
        raise DocumentsError(problems)
    output.problems(check_manifests.warnings(documents, stage))
    _note_overlaps(documents, stage)
    _note_missing_trail()


def _note_overlaps(documents: Documents, stage: str) -> None:
    """Name what else starts the same pipelines, as far as this user may look."""
    try:
        output.note(*overlaps.overlaps(documents, stage))
    except (BotoCoreError, ClientError) as error:
        output.note(f"other schedules and rules could not be checked: {error}")


def _note_missing_trail() -> None:
    """Say when the janitor does not hear of deleted pipelines, and only its sweep finds what they leave behind."""
    try:
        if not cloudtrail.reports_deletions():
            output.note(
                "no CloudTrail trail logs management events here, so the janitor does not hear of deleted pipelines:"
                " only its daily sweep finds what they leave behind"
            )
    except (BotoCoreError, ClientError) as error:
        output.note(f"CloudTrail's trails could not be checked: {error}")
