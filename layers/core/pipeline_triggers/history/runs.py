"""Started executions whose end is not known, and the records of their ends: the rest of HistoryTable's calls."""

from __future__ import annotations

import time
from datetime import datetime

from botocore.exceptions import ClientError

from pipeline_triggers.history.record import GOING, Going, Record, going_key, item, read_going
from pipeline_triggers.history.table import History


class Runs:
    """The executions of one stack, in its history."""

    def __init__(self, history: History) -> None:
        self.history = history

    def going(self, execution: str) -> Going | None:
        """Return an execution if a trigger started it, and its end is not known."""
        response = self.history.client.get_item(
            TableName=self.history.name, Key=going_key(execution), ConsistentRead=True
        )
        return read_going(response["Item"]) if "Item" in response else None

    def all_going(self) -> list[Going]:
        """Return the executions whose end is not known."""
        return [read_going(one) for one in self.history.pages("", "pk", GOING)]

    def note_end(self, end: Record) -> float:
        """Note how an execution ended, and return 0; what was noted before stays: return when, as a Unix time."""
        new = item(end, int(time.time()) + self.history.keep)
        try:
            self.history.client.put_item(
                TableName=self.history.name, Item=new, ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            key = {"pk": new["pk"], "sk": new["sk"]}
            noted = self.history.client.get_item(TableName=self.history.name, Key=key, ConsistentRead=True)
            return datetime.fromisoformat(noted["Item"]["at"]).timestamp()
        return 0

    def forget(self, going: Going) -> None:
        """Take an execution out of those whose end is not known."""
        self.history.client.delete_item(
            TableName=self.history.name, Key=going_key(going.started.verdict.execution_arn or "")
        )
