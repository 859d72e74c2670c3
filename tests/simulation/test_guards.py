"""The guards that ``make guards`` takes out, one at a time."""

from __future__ import annotations

import pytest

from tests import PROJECT
from tests.simulation.guards import GUARDS, Guard, found


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_where_the_script_looks_for_it(guard: Guard) -> None:
    """Else the script would take out nothing, or too much; and the tests that it runs are there."""
    assert found(guard) == 1
    assert guard.held != guard.broken
    for test in guard.tests:
        file, _, name = test.partition("::")
        assert name in (PROJECT / file).read_text(encoding="utf-8")
