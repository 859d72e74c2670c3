"""What CloudTrail knows of deleted pipelines; its answers are stubbed, page by page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pipeline_triggers import aws
from pipeline_triggers.operations import cloudtrail

EARLY, LATE = (datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2))


def called(name: object, when: datetime, **more: Any) -> dict[str, Any]:
    """Return an event of the history."""
    record = {"eventSource": "sagemaker.amazonaws.com", "requestParameters": {"pipelineName": name}, **more}
    return {"EventTime": when, "CloudTrailEvent": json.dumps(record)}


def test_the_last_deletion_of_each_pipeline_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one that failed, nor one of another service."""
    pages = [
        [called("Train", LATE), called("train", EARLY), called("failed", LATE, errorCode="ConflictException")],
        [called("other", LATE, eventSource="codepipeline.amazonaws.com"), called("b", EARLY), called(None, LATE)],
        [called("no-parameters", LATE, requestParameters=None)],
    ]
    paginator = SimpleNamespace(paginate=lambda **_: ({"Events": page} for page in pages))
    monkeypatch.setattr(aws, "cloudtrail", lambda: SimpleNamespace(get_paginator=lambda _: paginator))
    assert cloudtrail.deletions() == {"train": LATE, "b": EARLY}


def advanced(**fields: list[str]) -> dict[str, Any]:
    """Return the answer of a trail with advanced selectors."""
    selectors = [{"Field": name, "Equals": values} for name, values in fields.items()]
    return {"AdvancedEventSelectors": [{"FieldSelectors": selectors}]}


@pytest.mark.parametrize(
    ("logging", "selectors", "expected"),
    [
        (True, {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]}, True),
        (True, {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "WriteOnly"}]}, True),
        (True, {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "ReadOnly"}]}, False),
        (True, {"EventSelectors": [{"IncludeManagementEvents": False, "ReadWriteType": "All"}]}, False),
        (False, {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]}, False),
        (True, advanced(eventCategory=["Management"]), True),
        (True, advanced(eventCategory=["Management"], readOnly=["false"]), True),
        (True, advanced(eventCategory=["Management"], readOnly=["true"]), False),
        (True, advanced(eventCategory=["Data"]), False),
    ],
)
def test_a_trail_reports_deletions_when_it_logs_management_s_writes(
    monkeypatch: pytest.MonkeyPatch, logging: bool, selectors: dict[str, Any], expected: bool
) -> None:
    """Chosen by selectors of either kind, while it is logging."""
    client = SimpleNamespace(
        describe_trails=lambda: {"trailList": [{"TrailARN": "arn", "HomeRegion": "us-east-1"}]},
        get_trail_status=lambda **_: {"IsLogging": logging},
        get_event_selectors=lambda **_: selectors,
    )
    monkeypatch.setattr(aws, "cloudtrail", lambda _=None: client)
    assert cloudtrail.reports_deletions() is expected


@dataclass
class Region:
    """What CloudTrail answers in a Region: of another's trails, or of an organization's, it knows the name only."""

    trails: list[dict[str, str]]
    good: frozenset[str]

    def describe_trails(self) -> dict[str, Any]:
        """Name the trails that log here, wherever their home is."""
        return {"trailList": self.trails}

    def get_trail_status(self, Name: str) -> dict[str, bool]:  # noqa: N803 - boto3's names
        """Answer for any of them."""
        return {"IsLogging": bool(Name)}

    def get_event_selectors(self, TrailName: str) -> dict[str, Any]:  # noqa: N803
        """Answer for this Region's own only."""
        if TrailName not in self.good:
            raise ClientError({"Error": {"Code": "TrailNotFoundException"}}, "GetEventSelectors")
        return {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]}


@pytest.mark.parametrize("elsewhere", ["us-east-1", "eu-central-1"])
def test_an_unreadable_trail_does_not_hide_others(monkeypatch: pytest.MonkeyPatch, elsewhere: str) -> None:
    """It answers in its home Region; an error counts only when no other trail is known to report them."""
    trails = [
        {"TrailARN": "organization", "HomeRegion": "eu-central-1"},
        {"TrailARN": "all", "HomeRegion": elsewhere},
    ]
    regions = {
        region: Region(trails, frozenset({"all"} if region == elsewhere else ()))
        for region in ("eu-central-1", "us-east-1")
    }
    monkeypatch.setattr(aws, "cloudtrail", lambda region="eu-central-1": regions[region])
    assert cloudtrail.reports_deletions()
    trails.pop()
    with pytest.raises(ClientError, match="TrailNotFoundException"):
        cloudtrail.reports_deletions()
