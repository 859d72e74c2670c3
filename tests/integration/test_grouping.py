"""Tests of one embedded AWS run in one process."""

from __future__ import annotations

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs all the tests")
def test_tests_of_a_file_here_stay_together(request: pytest.FixtureRequest) -> None:
    """pytest-xdist has noted the group that tests/conftest.py gave; it silently spreads tests without such a note."""
    assert request.node.nodeid.endswith("@test_grouping")
