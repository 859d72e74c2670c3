"""What is changed in the emulators: each change says why, and when it can go."""

from __future__ import annotations

from tests.localaws import sagemaker


def apply() -> None:
    """Apply every patch."""
    sagemaker.mount()
    sagemaker.enforce_iam()
    sagemaker.be_strict()
