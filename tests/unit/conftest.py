"""What all unit tests are kept from: an AWS that the shell names, as the exports of ``make run KEEP=1`` do."""

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
