"""CloudWatch Logs of ministack 1.5.33: the lines that Lambda writes itself."""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch_logs


def log_as_configured() -> None:
    """Leave out Lambda's own lines, as on AWS with the template's SystemLogLevel; goes when the engine knows levels."""
    append = cloudwatch_logs._append_log_events

    def append_output(stream: dict[str, Any], events: list[dict[str, Any]]) -> Any:
        own = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
        return append(stream, [event for event in events if not event["message"].startswith(own)])

    cloudwatch_logs._append_log_events = append_output
