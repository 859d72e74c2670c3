"""A pytest plugin that takes a guard out of the library when it is imported; the working tree stays as it is.

``GUARD='lease: a start is left to who began it' pytest -p tests.simulation.guard_plugin …``, or ``make guards``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

import pytest

from tests.simulation.guards import GUARDS, Guard
from tests.simulation.run_guards import VARIABLE


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Take out the guard that the environment names, before anything imports the library."""
    guard = next(guard for guard in GUARDS if guard.name == os.environ[VARIABLE])
    assert guard.module not in sys.modules, f"{guard.module} is imported already"
    sys.meta_path.insert(0, Without(guard))


class Without(SourceFileLoader):
    """Finds and loads one module without a guard, whatever bytecode of it there is."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the guard's module, and leave any other to those that come after."""
        del target
        if fullname != self.guard.module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec
        assert spec.origin
        super().__init__(fullname, spec.origin)
        spec.loader = self
        return spec

    def get_code(self, fullname: str) -> CodeType:
        """Compile the module without the guard."""
        module = self.guard.removed_from(self.get_source(fullname) or "")
        return compile(module, self.path, "exec", dont_inherit=True)
