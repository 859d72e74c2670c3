"""A bucket, a queue and the handlers around ``triggers backfill``, which is killed before or after its calls."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.client import BaseClient
from pipeline_triggers import aws
from pipeline_triggers.history.table import History
from pipeline_triggers.models import Start, Trigger, When
from pipeline_triggers.operations import backfill
from pipeline_triggers.operations.backfill import Item, Target

from tests.simulation.invocation import ENVIRONMENT, context, record
from tests.simulation.player import ACCOUNT, HANDLERS, START, Execution, Player

QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/uploads"
LISTED = 1000  # keys on a page
UPLOADS = Trigger(
    "churn/uploads",
    When("s3", {"bucket": "raw", "key": "in/*.csv"}),
    (Start("train", {"Uri": "{% $object.uri %}", "Size": "{% $object.size %}"}),),
    max_starts=1_000_000,
)


class Killed(BaseException):
    """The command is killed."""


@dataclass
class BackfillWorld(Player):
    """A player with a bucket of ``count`` objects. The call at which the command is killed has its effect if odd."""

    count: int = 0
    queue: list[str] = field(default_factory=list)
    kill_at: int = 0
    calls: int = 0
    commanding: bool = False

    def preview(self, again: str = "") -> dict[str, Mapping[str, str] | None]:
        """Return what the command shows before it sends: the values of each start, by subject."""
        return {item.subject: values for item, values in self._previewed(again)}

    def backfill(self, kill_at: int = 0, again: str = "") -> bool:
        """Run the command, killed at this call unless it is 0; whether it came to its end."""
        self.calls, self.kill_at = 0, kill_at
        try:
            items = [item for item, _ in self._previewed(again)]
            list(backfill.send(self._target(again), QUEUE, items, 1.0, self.sleep))
        except Killed:
            return False
        finally:
            self.commanding = False
        return True

    def _target(self, again: str) -> Target:
        return Target(UPLOADS, History(aws.dynamodb(), ENVIRONMENT["HISTORY_TABLE"]), again)

    def _previewed(self, again: str) -> list[tuple[Item, Mapping[str, str] | None]]:
        self.commanding = True
        target = self._target(again)
        items = list(backfill.objects(UPLOADS, "", datetime.fromtimestamp(self.now, UTC)))
        explained = [(item, target.preview(item)[0]) for item in items]
        return [(item, one.parameters) for item, one in explained if one.outcome == "WOULD START"]

    def sleep(self, seconds: float) -> None:
        """Let the handler work while the command waits."""
        self.now += seconds
        self.work()

    def work(self) -> None:
        """Let the handler process all that is in its queue, ten messages at a time."""
        was, self.commanding = self.commanding, False
        while self.queue:
            some, self.queue = self.queue[:10], self.queue[10:]
            records = [record(str(uuid.uuid4()), body, sent_at=self.now) for body in some]
            assert not HANDLERS["OnS3Upload"]({"Records": records}, context())["batchItemFailures"]
        self.commanding = was

    def upload_live(self, number: int) -> None:
        """Let an object's own event arrive."""
        version = self._version(number)
        event = self._sample(UPLOADS)
        event["detail"]["bucket"]["name"] = "raw"
        event["detail"]["object"] = {
            "key": version["Key"],
            "size": version["Size"],
            "etag": version["ETag"].strip('"'),
            "version-id": version["VersionId"],
            "sequencer": f"{number:016x}",
        }
        self.queue.append(json.dumps({"trigger": UPLOADS.id, "event": event}))

    def _version(self, number: int) -> dict[str, Any]:
        modified = datetime.fromtimestamp(START, UTC) - timedelta(days=1)
        about = {"Size": number, "ETag": f'"{number:032x}"', "LastModified": modified, "IsLatest": True}
        return {"Key": f"in/{number:06d}.csv", "VersionId": f"v{number}", **about}

    def _called(self, client: BaseClient, operation: str, call: dict[str, Any]) -> Any:
        if not self.commanding:
            return self._answer(client, operation, call)
        self.calls += 1
        if self.calls == self.kill_at and self.calls % 2 == 0:
            raise Killed
        answer = self._answer(client, operation, call)
        if self.calls == self.kill_at:
            raise Killed
        return answer

    def _answer(self, client: BaseClient, operation: str, call: dict[str, Any]) -> Any:
        match operation:
            case "ListObjectVersions":
                first = int(call.get("KeyMarker", 0))
                page = {"Versions": [self._version(number) for number in range(first, min(first + LISTED, self.count))]}
                more = {"IsTruncated": True, "NextKeyMarker": str(first + LISTED), "NextVersionIdMarker": "v"}
                return page | (more if first + LISTED < self.count else {"IsTruncated": False})
            case "GetQueueAttributes":
                return {"Attributes": {"ApproximateNumberOfMessages": str(len(self.queue))}}
            case "SendMessageBatch" if call["QueueUrl"] == QUEUE:
                self.queue += [entry["MessageBody"] for entry in call["Entries"]]
                return {}
            case "Query" if call["TableName"] == ENVIRONMENT["HISTORY_TABLE"]:
                return self.history.query(**call)
        return super()._called(client, operation, call)

    def _start(self, call: Mapping[str, Any]) -> dict[str, str]:
        """Start whatever is asked for: only the ledger and the records keep a start from being made twice."""
        parameters = {one["Name"]: one["Value"] for one in call["PipelineParameters"]}
        arn = f"{ACCOUNT}/train/execution/{len(self.executions):012d}"
        self.executions.append(Execution(arn, "train", parameters, call["ClientRequestToken"], "", self.now))
        return {"PipelineExecutionArn": arn}
