"""CloudWatch Logs of ministack 1.5.33: the lines that Lambda writes itself, and patterns for JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from ministack.services import cloudwatch_logs


def log_as_configured() -> None:
    """Leave out Lambda's own lines, as on AWS with the template's SystemLogLevel; goes when the engine knows levels."""
    append = cloudwatch_logs._append_log_events

    def append_output(stream: dict[str, Any], events: list[dict[str, Any]]) -> Any:
        own = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
        return append(stream, [event for event in events if not event["message"].startswith(own)])

    cloudwatch_logs._append_log_events = append_output


def filter_by_json() -> None:
    """Filter log events by equal JSON fields; ministack finds that a JSON pattern matches every line."""
    compile_pattern = cloudwatch_logs._compile_filter_pattern

    def compile_json_pattern(pattern: str) -> Callable[[str], bool]:
        fields = dict(re.findall(r'\$\.(\w+) = "([^"]*)"', pattern))
        if not fields:
            matches: Callable[[str], bool] = compile_pattern(pattern)
            return matches

        def has_fields(line: str) -> bool:
            try:
                entry = json.loads(line)
            except ValueError:
                return False
            return isinstance(entry, dict) and fields.items() <= {(name, str(value)) for name, value in entry.items()}

        return has_fields

    cloudwatch_logs._compile_filter_pattern = compile_json_pattern
