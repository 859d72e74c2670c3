"""What is changed in the emulators: each change says why, and when it can go."""

from __future__ import annotations

from typing import Any

from ministack.services import eventbridge, scheduler
from ministack.services.cloudformation import provisioners

from tests.localaws import sagemaker


def apply() -> None:
    """Apply every patch."""
    sagemaker.mount()
    sagemaker.enforce_iam()
    sagemaker.be_strict()
    sagemaker.run_monitors()
    let_tests_speak_for_aws()
    deploy_schedules_in_full()


def let_tests_speak_for_aws() -> None:
    """Accept events of ``aws.*`` sources from PutEvents. AWS refuses them; goes when the engine sends its own."""
    put_events = eventbridge._put_events

    def put(data: Any, allow_aws_source: bool = True) -> Any:
        del allow_aws_source
        return put_events(data, True)

    eventbridge._put_events = put


def deploy_schedules_in_full() -> None:
    """Keep the zone and the bounds of a schedule that CloudFormation makes. Goes when the engine keeps them itself."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Scheduler::Schedule"]
    create, update = handlers["create"], handlers["update"]

    def kept(name: str, properties: Any, answer: Any) -> Any:
        schedule = scheduler._schedules[f"{properties.get('GroupName', 'default')}/{name}"]
        zone = properties.get("ScheduleExpressionTimezone", "UTC")
        bounds = {bound: properties.get(bound) for bound in ("StartDate", "EndDate")}
        schedule |= {"ScheduleExpressionTimezone": zone, **bounds}
        return answer

    def created(logical_id: str, properties: Any, stack: str) -> Any:
        answer = create(logical_id, properties, stack)
        return kept(answer[0], properties, answer)

    def updated(physical_id: str, old: Any, new: Any, stack: str) -> Any:
        answer = update(physical_id, old, new, stack)
        return kept(answer[0], new, answer)

    handlers |= {"create": created, "update": updated}
