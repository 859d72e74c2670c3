"""What unit tests share, and what they are kept from: an AWS that the shell names, as ``make run KEEP=1`` says to."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def no_aws_of_the_shell() -> Iterator[None]:
    """For the whole package, since some modules make their clients once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("AWS_ENDPOINT_URL") or name in ("AWS_PROFILE", "AWS_CA_BUNDLE"):
                patch.delenv(name)
        yield


@pytest.fixture
def new_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clients of the test's own, in the Region of the tests."""
    from tests.clients import forget_clients

    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.setenv(name, "eu-central-1")
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def empty_account(new_clients: None) -> Iterator[None]:  # noqa: ARG001 - made within it
    """An empty account in moto, and clients of the library that talk to it."""
    from moto import mock_aws

    with mock_aws():
        yield
