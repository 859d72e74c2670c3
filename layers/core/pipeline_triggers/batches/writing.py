"""Writes that must not be given up because of what passes in a moment."""

from __future__ import annotations

import random
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from pipeline_triggers import aws
from pipeline_triggers.batches.services import Services
from pipeline_triggers.batches.table import Changed
from pipeline_triggers.errors import Waiting

MOST_ATTEMPTS = 25
MOST_FAILURES = 5  # botocore has retried each of them already
LONGEST_PAUSE = 0.5  # seconds


def carried_out(services: Services, write: Callable[[], None]) -> bool:
    """Write, again after what passes by itself; False: the condition does not hold any more, or this write broke it.

    Raises:
        Waiting: other transactions were in the way each time.

    """
    for attempt in range(MOST_ATTEMPTS):
        try:
            write()
        except Changed as changed:
            if "ConditionalCheckFailed" in changed.codes:
                return False
            rest(services, attempt)
        except (ClientError, BotoCoreError) as error:
            if not aws.is_transient(error) or attempt > MOST_FAILURES:
                raise
            rest(services, attempt)
        else:
            return True
    raise Waiting("other deliveries are changing the same batch; retrying")


def rest(services: Services, attempt: int) -> None:
    """Wait a moment, longer each time; not all writers equally long."""
    services.sleep(random.uniform(0, min(LONGEST_PAUSE, 0.01 * 2**attempt)))  # noqa: S311 - no secret
