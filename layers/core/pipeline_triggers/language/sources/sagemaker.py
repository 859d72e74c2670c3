"""What the state changes of SageMaker's resources have in common: pattern, names, spellings, times and bindings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline_triggers.language.sources.source import Change, DetailType, Event, Fields, Pattern, length_problem
from pipeline_triggers.text import brief, spelling

JOB_STATUSES = ("InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting")

ARN = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}"

_NAMES = re.compile(r"[A-Za-z0-9*-]+")


def pattern(kind: str, detail: Pattern) -> Pattern:
    """Return the event pattern for state changes of a kind of resource."""
    return {"source": ["aws.sagemaker"], "detail-type": [f"SageMaker {kind} State Change"], "detail": detail}


def name_problem(most: int = 63) -> Callable[[str], str | None]:
    """Return what says that a glob matches no name that SageMaker gives."""
    too_long = length_problem(most)

    def problem(glob: str) -> str | None:
        if not _NAMES.fullmatch(glob):
            return f"{brief(glob)} is not a name that SageMaker gives; use letters, digits, dashes and *"
        return too_long(glob)

    return problem


def job(stem: str) -> DetailType:
    """Describe the state changes of a kind of job, which bind ``$job``."""
    return DetailType(
        lambda event: change(stem, event, JOB_STATUSES),
        lambda event: {"job": known(resource(stem, event, JOB_STATUSES))},
    )


def change(stem: str, event: Event, statuses: Iterable[str]) -> Change:
    """Return what changed: SageMaker may send several events, with ids of their own, for one change."""
    detail = event["detail"]
    return (
        detail.get(f"{stem}Arn"),
        as_in_the_api(detail.get(f"{stem}Status"), statuses),
        iso(detail.get("LastModifiedTime")),
    )


def resource(stem: str, event: Event, statuses: Iterable[str]) -> dict[str, Any]:
    """Return what is bound of a resource whose state changed; None where the event does not say."""
    detail = event["detail"]
    return {
        "name": detail.get(f"{stem}Name"),
        "arn": detail.get(f"{stem}Arn"),
        "status": as_in_the_api(detail.get(f"{stem}Status"), statuses),
        # Events of what did not fail have an empty one.
        "failure_reason": detail.get("FailureReason") or None,
        "tags": _by_key(detail.get("Tags")),
    }


def fit_status(stem: str) -> Callable[[Event, Fields], Event]:
    """Return what gives a sample the first status of a ``when``, with a reason where every status is a failure."""

    def fit(event: Event, fields: Fields) -> Event:
        statuses = fields.get("status", [])
        detail = {**event["detail"], **{f"{stem}Status": status for status in statuses[:1]}}
        if statuses and all(status.endswith("Failed") for status in statuses):
            detail["FailureReason"] = "ClientError: the data could not be read"
        return {**event, "detail": detail}

    return fit


def known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a variable's fields without those that the event does not give."""
    return {name: value for name, value in fields.items() if value is not None}


def as_in_the_api(status: Any, statuses: Iterable[str]) -> Any:
    """Spell a status as the API does: events of endpoints have IN_SERVICE for InService."""
    if not isinstance(status, str):
        return status
    return {spelling(word): word for word in statuses}.get(spelling(status), status)


def iso(value: Any) -> Any:
    """Write a time as ISO 8601: SageMaker's events have milliseconds since 1970 as well, as number or text."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{9,15}(\.0*)?", value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        moment = datetime.fromtimestamp(float(value) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return value
    return moment.isoformat(timespec="seconds" if moment.microsecond == 0 else "milliseconds").replace("+00:00", "Z")


def _by_key(tags: Any) -> Any:
    """Return tags by key: SageMaker's events have them as a mapping, or as a list."""
    return {tag["Key"]: tag["Value"] for tag in tags} if isinstance(tags, list) else tags
