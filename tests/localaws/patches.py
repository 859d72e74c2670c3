"""What is changed in the emulators: each change says why, and when it can go."""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch_logs, eventbridge

from tests.localaws import firing, sagemaker, scheduler


def apply() -> None:
    """Apply every patch."""
    sagemaker.mount()
    sagemaker.enforce_iam()
    sagemaker.be_strict()
    sagemaker.run_monitors()
    scheduler.page()
    scheduler.refuse_the_past()
    scheduler.find_stacks_by_resource()
    scheduler.enforce_iam()
    firing.often()
    firing.as_deployed()
    firing.to_targets()
    let_tests_speak_for_aws()
    log_as_configured()


def let_tests_speak_for_aws() -> None:
    """Accept events of ``aws.*`` sources from PutEvents. AWS refuses them; goes when the engine sends its own."""
    put_events = eventbridge._put_events

    def put(data: Any, allow_aws_source: bool = True) -> Any:
        del allow_aws_source
        return put_events(data, True)

    eventbridge._put_events = put


def log_as_configured() -> None:
    """Leave out Lambda's own lines, as on AWS with the template's SystemLogLevel; goes when the engine knows levels."""
    append = cloudwatch_logs._append_log_events

    def append_output(stream: dict[str, Any], events: list[dict[str, Any]]) -> Any:
        own = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
        return append(stream, [event for event in events if not event["message"].startswith(own)])

    cloudwatch_logs._append_log_events = append_output
