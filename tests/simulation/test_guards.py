"""The guards that ``make guards`` takes out, one at a time."""

from __future__ import annotations

import ast

import pytest

from tests import PROJECT
from tests.simulation.changes import Lost, changed, never
from tests.simulation.guards import GUARDS, Guard, source


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_a_guard_is_where_its_entry_says(guard: Guard) -> None:
    """Else `make guards` would take out nothing, or too much; and the tests that it runs are there."""
    written = source(guard)
    assert ast.dump(guard.removed_from(written)) != ast.dump(ast.parse(written))
    for test in guard.tests:
        file, _, name = test.partition("::")
        function = name.partition("[")[0]
        assert f"def {function}(" in (PROJECT / file).read_text(encoding="utf-8") or not name


def test_names_of_guards_are_different() -> None:
    """The plugin takes out the one that it is given by name."""
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)


CODE = """
def leased(lease, now):
    if now < lease or lease is None:
        return now
"""


@pytest.mark.parametrize(
    ("symbol", "names", "message"),
    [
        ("renamed", ["now"], "0 times a definition of renamed"),
        ("leased", ["until"], "0 times a condition with until"),
        ("leased", ["lease"], "2 times a condition with lease"),
    ],
)
def test_a_renamed_guard_is_reported_as_lost(symbol: str, names: list[str], message: str) -> None:
    """The message says what is missing, or what fits twice."""
    with pytest.raises(Lost, match=message):
        changed(CODE, symbol, never(*names))
