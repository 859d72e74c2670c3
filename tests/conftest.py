"""What all tests share: how hard Hypothesis looks, an embedded AWS with projects to deploy to it, and the state table.

Slow imports stand inside the fixtures that need them: a pure test starts without boto3, moto and sam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.effort import QUICK, THOROUGH, is_thorough

if TYPE_CHECKING:
    from botocore.loaders import Loader

    from tests.localaws.local_aws import LocalAws
    from tests.localaws.project import Project

# The same examples every time: a test must not need luck. `make thorough` looks further, and elsewhere each night.
settings.register_profile(QUICK, derandomize=True, deadline=None)
settings.register_profile(THOROUGH, max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(QUICK)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist notes the groups in the same hook
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave thorough tests to the thorough profile; keep tests of one embedded AWS, and of one stack, together."""
    skipped = [item for item in items if item.get_closest_marker("thorough")]
    if skipped and not is_thorough():
        config.hook.pytest_deselected(items=skipped)
        items[:] = [item for item in items if item not in skipped]
    for item in items:
        needs_engine = item.path.parent.name in ("integration", "localaws", "sdk")
        if needs_engine and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session", autouse=True)
def one_loader_of_aws_models() -> Iterator[None]:
    """Let every boto3 session share the parsed models of AWS's services: moto makes a session for each test."""
    from botocore import session

    known = cache(session.create_loader)

    def create_loader(search_path: str | None) -> Loader:
        loader = known(search_path)
        # Each boto3 session adds the same folder.
        loader.search_paths[:] = dict.fromkeys(loader.search_paths)
        return loader

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "create_loader", create_loader)
        yield


@pytest.fixture(scope="session", autouse=True)
def threads_of_the_engine_keep_their_clock() -> None:
    """Let the thread that ministack begins when triggers' examples import it not sleep by a test's patched clock."""
    import time
    from types import SimpleNamespace

    from ministack.services import dynamodb

    dynamodb.time = SimpleNamespace(**vars(time))


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """An embedded AWS with IAM enforced, and the buckets of both stages."""
    from tests.localaws.local_aws import LocalAws

    with LocalAws.running() as running:
        for bucket in ("raw-dev", "raw-prod"):
            running.create_bucket(bucket)
        yield running


@pytest.fixture(scope="session")
def sdk(aws: LocalAws) -> Callable[[str], str]:
    """Run a script with the SageMaker SDK against the embedded AWS, and return the last line that it prints."""
    from tests.sdk import run

    return partial(run, aws=aws)


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Project]:
    """Copy what a user deploys, into a path with a space."""
    from tests.localaws.project import Project

    return lambda: Project.copied_to(tmp_path_factory.mktemp("a project") / "pipeline triggers")


@pytest.fixture
def state_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The table of ``template.yaml`` in moto, and a handler's environment around it."""
    import boto3
    from moto import mock_aws
    from pipeline_triggers.settings import settings as settings_of

    from tests.clients import forget_clients
    from tests.simulation.invocation import ENVIRONMENT
    from tests.tools.templates import table_keys

    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    settings_of.cache_clear()
    forget_clients()
    with mock_aws():
        yield boto3.resource("dynamodb").create_table(TableName=ENVIRONMENT["STATE_TABLE"], **table_keys("StateTable"))
    settings_of.cache_clear()
    forget_clients()
