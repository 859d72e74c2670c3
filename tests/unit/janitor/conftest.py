"""An account around the janitor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.janitor_world import Account


@pytest.fixture(scope="module")
def installed() -> Iterator[Account]:
    """One account for all tests, since clients take their time to make."""
    with Account().installed() as installed:
        yield installed


@pytest.fixture
def account(installed: Account) -> Account:
    """An account whose pipeline ``train`` is gone, and ``train-v2`` is there."""
    installed.reset("train-v2")
    return installed
