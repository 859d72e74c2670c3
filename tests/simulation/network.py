"""What can happen to a call on its way to AWS and back, and how botocore answers it: by retries of its own.

Stands for everything below ``BaseClient._make_api_call``. A test holds it against the real botocore.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectionError,  # noqa: A004 - botocore's
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
    SSLError,
)

URL = "https://aws"


class Killed(BaseException):
    """What ends a function in the middle: no handler of exceptions sees it."""


@dataclass(frozen=True, slots=True)
class Mishap:
    """What happens to one request: whether it still takes effect, the error, and the time-out that it uses up."""

    effect: bool
    error: Callable[[str], Exception]
    waits_for: str = ""


def refusal(code: str, status: int = 400) -> Callable[[str], ClientError]:
    """Return what makes a service's error answer to an operation."""

    def made(operation: str) -> ClientError:
        details: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return ClientError(details, operation)

    return made


MISHAPS = {
    "no connection": Mishap(False, lambda _: EndpointConnectionError(endpoint_url=URL)),
    "no route": Mishap(False, lambda _: ConnectTimeoutError(endpoint_url=URL), "connect_timeout"),
    "TLS refused": Mishap(False, lambda _: SSLError(endpoint_url=URL, error=OSError("certificate"))),
    "TLS broke": Mishap(True, lambda _: SSLError(endpoint_url=URL, error=OSError("record"))),
    "no reply": Mishap(True, lambda _: ReadTimeoutError(endpoint_url=URL), "read_timeout"),
    "request lost": Mishap(False, lambda _: ReadTimeoutError(endpoint_url=URL), "read_timeout"),
    "closed": Mishap(True, lambda _: ConnectionClosedError(endpoint_url=URL)),
    "server error": Mishap(True, refusal("InternalFailure", 500)),
    "unavailable": Mishap(False, refusal("ServiceUnavailable", 503)),
    "throttled": Mishap(False, refusal("ThrottlingException")),
    "denied": Mishap(False, refusal("AccessDeniedException")),
    "limit": Mishap(False, refusal("ResourceLimitExceeded")),
    "conflict": Mishap(False, refusal("ConflictException")),
}

# What botocore's standard mode sends again.
_RETRIED_CODES = frozenset(
    {"Throttling", "ThrottlingException", "ProvisionedThroughputExceededException", "TransactionInProgressException"}
)
_RETRIED_STATUSES = frozenset({500, 502, 503, 504})


def is_retried(error: Exception) -> bool:
    """Whether botocore makes a call again after this error."""
    if isinstance(error, ClientError):
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return error.response["Error"]["Code"] in _RETRIED_CODES or status in _RETRIED_STATUSES
    return isinstance(error, (ConnectionError, HTTPClientError))


def with_retries(
    config: Any, request: Callable[[int], Any], random: Callable[[], float], sleep: Callable[[float], None]
) -> Any:
    """Make a request, which gets the attempt's number, as often as a client's configuration says."""
    for attempt in itertools.count(1):
        try:
            return request(attempt)
        except (ClientError, ConnectionError, HTTPClientError) as error:
            if attempt == config.retries["total_max_attempts"] or not is_retried(error):
                raise
        sleep(random() * 2 ** (attempt - 1))
    raise AssertionError
