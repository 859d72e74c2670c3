"""Saved queries of CloudWatch Logs, which ministack 1.5.33 does not have: its CloudFormation accepts them."""

from __future__ import annotations

import uuid
from typing import Any

from ministack.services.cloudformation import provisioners


def accept() -> None:
    """Let a template have AWS::Logs::QueryDefinition, and keep nothing; goes when ministack knows the type."""

    def create(logical_id: str, properties: Any, stack_name: str) -> tuple[str, dict[str, str]]:
        del logical_id, properties, stack_name
        return str(uuid.uuid4()), {}

    def delete(physical_id: str, properties: Any) -> None:
        del physical_id, properties

    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {"create": create, "delete": delete}
