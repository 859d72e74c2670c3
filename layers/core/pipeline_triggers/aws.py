"""The one maker of clients: botocore's, since importing boto3 would slow down cold starts."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.config import Config

# botocore's, not Python's: of what could not be reached, such as EndpointConnectionError.
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, SSLError  # noqa: A004

from pipeline_triggers.tables import Table, take_python_values

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

# botocore waits 60 s for a connection and 60 s for an answer, each of up to five times: longer than a function
# may run. These calls answer within a second or two, and SQS repeats what fails altogether.
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent_extra="pipeline-triggers",
)

# Listing a whole account gets throttled: such calls are retried more often, with pauses of up to 20 s.
_PATIENT = _CONFIG.merge(Config(retries={"total_max_attempts": 8}))

# DynamoDB and SQS answer within milliseconds, and must leave time for SageMaker.
_QUICK = _CONFIG.merge(Config(connect_timeout=2, read_timeout=3))

_ONCE: Any = {"total_max_attempts": 1}


def _longest(config: Any) -> float:
    """Return how long a call takes at most, in seconds: each attempt, and botocore's pauses between them."""
    attempts: int = config.retries["total_max_attempts"]
    attempt: int = config.connect_timeout + config.read_timeout
    pauses: int = sum(2**pause for pause in range(attempts - 1))
    return attempts * attempt + pauses


# Seconds after which a call has failed at the latest, by client.
LONGEST_CALL = _longest(_CONFIG)
LONGEST_QUICK_CALL = _longest(_QUICK)
LONGEST_START = _longest(_CONFIG.merge(Config(retries=_ONCE)))

# The error codes of SageMaker's permanent refusals; they have no "Exception" behind them. A denial is not one of them:
# right after a deploy a new grant may not be in force everywhere yet.
PERMANENT = frozenset({"ResourceNotFound", "ValidationException"})

# The error codes of throttling.
THROTTLED = frozenset(
    {
        *("ThrottlingException", "Throttling", "ThrottledException", "TooManyRequestsException", "RequestThrottled"),
        *("RequestLimitExceeded", "SlowDown", "ProvisionedThroughputExceededException"),
    }
)

# Those of all that ends by itself: also limits of concurrent executions, and what somebody else changes at the moment.
_TRANSIENT = THROTTLED | {
    *("ResourceLimitExceeded", "ConflictException"),
    *("TransactionInProgressException", "ConcurrentModificationException"),
}


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def _client(service: str, config: Config, region: str | None = None) -> Any:
    return _session().create_client(service, region_name=region, config=config)


def _share_connections(client: Any, other: Any) -> None:
    """Let a client use the connections of another: reading the certificates anew takes 18 ms of a processor.

    botocore has no public way; the layer's botocore is pinned, and a test counts the connections.
    """
    client._endpoint.http_session = other._endpoint.http_session


@cache
def sagemaker() -> SageMakerClient:
    """Return the client that describes pipelines and lists their executions."""
    client: SageMakerClient = _client("sagemaker", _CONFIG)
    return client


@cache
def patient_sagemaker() -> SageMakerClient:
    """Return the client that asks whether pipelines are there, many of them one after another."""
    client: SageMakerClient = _client("sagemaker", _PATIENT)
    return client


@cache
def starter() -> SageMakerClient:
    """Return the client that starts pipelines: without retries, since a call that got no answer may have worked."""
    client: SageMakerClient = _client("sagemaker", _CONFIG.merge(Config(retries=_ONCE)))
    _share_connections(client, sagemaker())
    return client


@cache
def dynamodb() -> Any:
    """Return the client of DynamoDB, which takes and gives Python values; a call that got no answer is made again."""
    return take_python_values(_client("dynamodb", _QUICK))


@cache
def table(name: str) -> Table:
    """Return a table, for writes that may be made twice."""
    return Table(dynamodb(), name)


@cache
def counters(name: str) -> Table:
    """Return a table, for writes that must not be made twice: without retries."""
    client = _client("dynamodb", _QUICK.merge(Config(retries=_ONCE)))
    _share_connections(client, dynamodb())
    return Table(take_python_values(client), name)


def is_transient(error: Exception) -> bool:
    """Whether a failed call may work later by itself: the network, the service, its rates and limits."""
    if isinstance(error, ClientError):
        return _code(error) in _TRANSIENT or _status(error) >= 500
    return isinstance(error, (HTTPClientError, ConnectionError))


def had_no_effect(error: Exception) -> bool:
    """Whether a failed call had no effect for certain: the service refused it, or was never reached."""
    return _status(error) < 500 if isinstance(error, ClientError) else _was_not_sent(error)


def is_momentary(error: Exception) -> bool:
    """Whether a call that had no effect is worth a retry in a moment."""
    return _code(error) in THROTTLED if isinstance(error, ClientError) else _was_not_sent(error)


def _was_not_sent(error: Exception) -> bool:
    """Whether a request was not sent for certain; botocore does not say whether TLS broke before that or after it."""
    return isinstance(error, ConnectionError) and not isinstance(error, SSLError)


def reason(error: Exception) -> str:
    """Say in one line why something failed."""
    if not isinstance(error, ClientError):
        return f"{type(error).__name__}: {error}"
    throttled = "throttled: " if _code(error) in THROTTLED else ""
    return f"{throttled}{error.operation_name}: {_code(error)}: {error.response['Error'].get('Message', '')}"


def refusal(error: ClientError) -> str:
    """Return why AWS did not do what it was asked for, in its own words, cut to what a report can hold."""
    return f"AWS refuses: {error}"[:300]


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


@cache
def sqs() -> SQSClient:
    """Return the client that hides messages and sends to queues."""
    client: SQSClient = _client("sqs", _QUICK)
    return client


@cache
def s3() -> S3Client:
    """Return the client that looks at buckets' notification settings."""
    client: S3Client = _client("s3", _CONFIG)
    return client


@cache
def sts() -> STSClient:
    """Return the client that knows which account this is."""
    client: STSClient = _client("sts", _CONFIG)
    return client


@cache
def sns(region: str) -> SNSClient:
    """Return the client that looks at topics of a Region."""
    client: SNSClient = _client("sns", _CONFIG, region)
    return client


@cache
def events() -> EventBridgeClient:
    """Return the client that lists, removes and restores rules, and says whether a pattern matches an event."""
    client: EventBridgeClient = _client("events", _PATIENT)
    return client


@cache
def event_bus() -> EventBridgeClient:
    """Return the client that puts events on the stack's bus, which answers quickly or leaves it to a later try."""
    client: EventBridgeClient = _client("events", _QUICK)
    return client


@cache
def cloudformation() -> CloudFormationClient:
    """Return the client that knows the deployed stack, and what belongs to any stack."""
    client: CloudFormationClient = _client("cloudformation", _PATIENT)
    return client


@cache
def scheduler() -> EventBridgeSchedulerClient:
    """Return the client that lists, removes and restores schedules."""
    client: EventBridgeSchedulerClient = _client("scheduler", _PATIENT)
    return client


@cache
def logs() -> CloudWatchLogsClient:
    """Return the client that reads the functions' logs."""
    client: CloudWatchLogsClient = _client("logs", _PATIENT)
    return client


@cache
def cloudtrail(region: str | None = None) -> Any:
    """Return the client that knows the trails of a Region (None: the usual one), and the history of its events."""
    return _client("cloudtrail", _PATIENT, region)


@cache
def patient(service: str) -> Any:
    """Return a client of a service that only commands call; the layer does not carry its model."""
    return _client(service, _PATIENT)


@cache
def impatient(service: str) -> Any:
    """Return a client whose calls have failed after 13 s at the latest, 7 s where nobody takes a connection."""
    return _client(service, _CONFIG.merge(Config(read_timeout=3, retries={"total_max_attempts": 2})))


def download(client: Any, url: str) -> bytes:
    """Return what is behind a signed URL that a client was given, with that client's certificates and proxies.

    botocore has no public way; its version is pinned.
    """
    response = client._endpoint.http_session.send(AWSRequest("GET", url).prepare())
    content: bytes = response.content
    return content
