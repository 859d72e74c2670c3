"""How much a test tries: a tenth on each change, all of it in ``make thorough``."""

from __future__ import annotations

import pytest
from hypothesis import settings

# cfn-lint takes seconds to import and to read its schemas: its tests stay in one process.
CFN_LINT = pytest.mark.xdist_group("cfn-lint")

QUICK, THOROUGH = "quick", "thorough"


def cases(all_of_them: int) -> int:
    """Return how many of a test's random cases this run tries."""
    return all_of_them if is_thorough() else all_of_them // 10


def is_thorough() -> bool:
    """Whether this run has the time to try everything."""
    return settings.get_current_profile_name() == THOROUGH
