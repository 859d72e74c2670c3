"""A function's settings, which the template puts into its environment. Nothing else reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Settings:
    """A function's environment; ``template.yaml`` sets all but the Region, which Lambda sets.

    ``requests_topic`` is the ARN of the stack's own topic, "" where a function does not read it, and ``batch_bucket``
    is "" where it does not write there. ``give_up_after`` is the age in seconds at which a waiting message is given up.
    ``trigger_metrics`` says that verdicts are also counted by trigger.
    """

    stack: str
    stage: str
    region: str
    account: str
    dead_letter_queue_url: str
    requests_topic: str
    queue_url: str
    state_table: str
    batch_table: str
    batch_queue_url: str
    batch_bucket: str
    history_table: str
    history_days: int
    event_bus: str
    give_up_after: int
    trigger_metrics: bool


@cache
def settings() -> Settings:
    """Read the environment, once."""
    return Settings(
        stack=os.environ["STACK_NAME"],
        stage=os.environ["STAGE"],
        region=os.environ["AWS_REGION"],
        account=os.environ["ACCOUNT_ID"],
        dead_letter_queue_url=os.environ["DEAD_LETTER_QUEUE_URL"],
        queue_url=os.environ["QUEUE_URL"],
        state_table=os.environ["STATE_TABLE"],
        batch_table=os.environ["BATCH_TABLE"],
        batch_queue_url=os.environ["BATCH_QUEUE_URL"],
        batch_bucket=os.environ.get("BATCH_BUCKET", ""),
        history_table=os.environ["HISTORY_TABLE"],
        history_days=int(os.environ["HISTORY_DAYS"]),
        event_bus=os.environ["EVENT_BUS"],
        give_up_after=int(os.environ["GIVE_UP_AFTER_HOURS"]) * 3600,
        trigger_metrics=os.environ["TRIGGER_METRICS"] == "on",
        requests_topic=os.environ.get("REQUESTS_TOPIC_ARN", ""),
    )


@dataclass(frozen=True, slots=True)
class JanitorSettings:
    """The settings of the janitor's function only; ``ignore`` holds globs, ``notify`` a topic's ARN or ""."""

    partition: str
    snapshot_table: str
    keep_days: int
    most_removals: int
    remove_empty_rules: bool
    ignore: tuple[str, ...]
    notify: str


@cache
def janitor_settings() -> JanitorSettings:
    """Read the janitor's environment, once."""
    return JanitorSettings(
        partition=os.environ["PARTITION"],
        snapshot_table=os.environ["SNAPSHOT_TABLE"],
        keep_days=int(os.environ["SNAPSHOT_DAYS"]),
        most_removals=int(os.environ["MOST_REMOVALS"]),
        remove_empty_rules=os.environ["EMPTY_RULES"] == "remove",
        ignore=globs_of(os.environ["IGNORE"]),
        notify=os.environ["NOTIFICATION_TOPIC"],
    )


def globs_of(text: str) -> tuple[str, ...]:
    """Divide a parameter's comma list."""
    return tuple(filter(None, (glob.strip() for glob in text.split(","))))
