"""What a failed call means: whether it may work later, was done, and is worth another try in a moment."""

from __future__ import annotations

from typing import Any

import botocore.exceptions
import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)
from pipeline_triggers import aws

URL = {"endpoint_url": "https://aws"}


def answered(code: str, status: int = 400) -> ClientError:
    """Return a service's own error."""
    details: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(details, "Operation")


@pytest.mark.parametrize(
    ("error", "is_transient", "had_no_effect", "is_momentary"),
    [
        (answered("ThrottlingException"), True, True, True),
        (answered("ProvisionedThroughputExceededException"), True, True, True),
        (answered("ResourceLimitExceeded"), True, True, False),
        (answered("ConflictException"), True, True, False),
        (answered("ConcurrentModificationException"), True, True, False),
        (answered("InternalFailure", 500), True, False, False),
        (answered("ServiceUnavailable", 503), True, False, False),
        (answered("AccessDeniedException"), False, True, False),
        (answered("ValidationException"), False, True, False),
        (ReadTimeoutError(**URL), True, False, False),
        (ConnectionClosedError(**URL), True, False, False),
        (EndpointConnectionError(**URL), True, True, True),
        (ConnectTimeoutError(**URL), True, True, True),
        (SSLError(**URL, error=OSError("record")), True, False, False),
        (ProxyConnectionError(proxy_url="https://proxy"), True, True, True),
        (NoCredentialsError(), False, False, False),
        (ZeroDivisionError(), False, False, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_failures_are_classified(error: Exception, is_transient: bool, had_no_effect: bool, is_momentary: bool) -> None:
    """What may have been done is never called again at once; what can't be reached was not."""
    assert (aws.is_transient(error), aws.had_no_effect(error), aws.is_momentary(error)) == (
        is_transient,
        had_no_effect,
        is_momentary,
    )


def test_every_failure_of_the_network_that_botocore_knows_passes() -> None:
    """By its class, so that none is forgotten."""
    network = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)
    classes = [found for found in vars(botocore.exceptions).values() if isinstance(found, type)]
    found = [one for one in classes if issubclass(one, network) and issubclass(one, BotoCoreError)]
    assert len(found) >= 8
    for one in found:
        error = one.__new__(one)
        assert aws.is_transient(error)
        assert aws.is_momentary(error) == aws.had_no_effect(error)


@pytest.mark.usefixtures("new_clients")
def test_a_start_is_never_called_again_by_botocore() -> None:
    """It does not distinguish a refused start from one that got no answer."""
    config: Any = aws.starter().meta.config
    assert config.retries["total_max_attempts"] == 1


@pytest.mark.usefixtures("new_clients")
def test_clients_of_a_service_share_their_connections() -> None:
    """A handler has one connection to SageMaker and one to DynamoDB: each reads all certificates anew."""

    def connections(client: Any) -> Any:
        return client._endpoint.http_session

    assert connections(aws.starter()) is connections(aws.sagemaker())
    assert connections(aws.counters("state").client) is connections(aws.dynamodb())
    assert connections(aws.dynamodb()) is not connections(aws.sagemaker())
