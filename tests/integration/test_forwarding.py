"""The templates with which another account or Region forwards its events; here both sides are in one account.

The engine has no policies of buses, so cfn-lint alone looks at that of the receiver.
"""

from __future__ import annotations

import json
from typing import Any

from tests.localaws import ACCOUNT, REGION
from tests.localaws.local_aws import LocalAws
from tests.tools.templates import FORWARDING, written

EVENT = {"Source": "shop.orders", "DetailType": "order", "Detail": '{"id": 7}', "EventBusName": "there"}


def create_stack(aws: LocalAws, name: str, **parameters: str) -> None:
    """Create a stack of a template with the name."""
    cloudformation = aws.client("cloudformation")
    listed: Any = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    template = written(FORWARDING / f"{name}.yaml")
    template["Resources"].pop("BusPolicy", None)
    cloudformation.create_stack(
        StackName=name, TemplateBody=json.dumps(template), Parameters=listed, Capabilities=["CAPABILITY_IAM"]
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})


def test_an_event_of_the_source_is_forwarded_and_no_other(aws: LocalAws) -> None:
    """It comes with its own source and detail, to the bus that a trigger names."""
    create_stack(aws, "receiver", BusName="receiving", SenderAccount=ACCOUNT)
    events, sqs = aws.client("events"), aws.client("sqs")
    events.create_event_bus(Name="there")
    bus = aws.outputs("receiver")["BusArn"]
    assert bus == f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/receiving"
    create_stack(aws, "sender", BusArn=bus, FromBus="there", Source="shop.orders")

    queue = sqs.create_queue(QueueName="forwarded")["QueueUrl"]
    events.put_rule(Name="all", EventBusName="receiving", EventPattern=json.dumps({"account": [ACCOUNT]}))
    target = {"Id": "queue", "Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:forwarded"}
    events.put_targets(Rule="all", EventBusName="receiving", Targets=[target])
    events.put_events(Entries=[{**EVENT, "Source": "other"}, EVENT])
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, MaxNumberOfMessages=10)["Messages"]
    forwarded = json.loads(message["Body"])
    assert (forwarded["source"], forwarded["detail"]) == ("shop.orders", {"id": 7})
