"""What a function's batches work with in AWS, as its environment names it."""

from __future__ import annotations

import time
from collections.abc import Callable

from pipeline_triggers import aws
from pipeline_triggers.batches.deployed import Deployed
from pipeline_triggers.batches.door import SageMaker
from pipeline_triggers.batches.records import Records
from pipeline_triggers.batches.resources import Resources
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.store import Store
from pipeline_triggers.batches.table import Table
from pipeline_triggers.settings import settings
from pipeline_triggers.starts import deployed


def connected(time_left: Callable[[], float]) -> Services:
    """Return the services of this function; ``time_left`` as ``Services`` says."""
    table = Table(aws.dynamodb(), settings().batch_table)
    # Tables know a trigger by its first name.
    triggers = {name: trigger for trigger in deployed.triggers().values() for name in (*trigger.was, trigger.id)}
    return Services(
        store=Store(table),
        records=Records(table),
        documents=Deployed(triggers, deployed.limits()),
        door=SageMaker(triggers, time.time, time_left),
        outside=Resources(triggers),
        now=time.time,
        time_left=time_left,
        sleep=time.sleep,
    )
