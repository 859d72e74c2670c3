"""The compiled dashboard: a row for the stack, one for each team, in an order that a deploy does not change."""

from __future__ import annotations

import json
from typing import Any

from pipeline_triggers.compile.dashboard import dashboard
from pipeline_triggers.models import Outcome, Start, Trigger, When


def widgets(*names: str) -> list[dict[str, Any]]:
    """Return the widgets of a dashboard for triggers of these names."""
    triggers = [Trigger(name, When("sns", {}), (Start("train", {}),)) for name in names]
    text, queues = dashboard(triggers)["Properties"]["DashboardBody"]["Fn::Sub"]
    assert all(f"${{{queue}}}" in text for queue in queues)
    found: list[dict[str, Any]] = json.loads(text)["widgets"]
    return found


def test_each_team_has_a_row() -> None:
    """Whatever the number of its triggers, so that the dashboard stays below CloudWatch's 500 widgets."""
    rows: dict[int, list[str]] = {}
    for widget in widgets("churn/a", "sales/a", "churn/b"):
        rows.setdefault(widget["y"], []).append(widget["properties"]["title"])
        assert widget["x"] + widget["width"] <= 24
    assert rows == {
        0: ["Seconds from event to start", "Ended runs", "Oldest message, seconds", "Dead letters"],
        6: ["churn", "churn: to look at"],
        12: ["sales", "sales: to look at"],
    }


def test_a_row_has_every_outcome_of_an_event() -> None:
    """Those of ended runs are the stack's, and what somebody discarded is no metric."""
    shown = {
        metric[1] for widget in widgets("churn/a") for metric in widget["properties"]["metrics"] if "Team" in metric
    }
    runs = {Outcome.SUCCEEDED, Outcome.FAILED, Outcome.STOPPED}
    assert shown == set(map(str, Outcome)) - runs - {"DISCARDED", "PROBED"}
