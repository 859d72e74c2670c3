"""What is changed in the emulators: each change says why, and when it can go."""

from __future__ import annotations

from tests.localaws.patches import (
    cloudformation,
    eventbridge,
    iam,
    layers,
    logs,
    query_definitions,
    sagemaker,
    scheduler,
)


def apply() -> None:
    """Apply every patch. ``test_patches`` shows the reason of each on the unpatched emulators."""
    sagemaker.mount()
    sagemaker.enforce_iam()
    sagemaker.run_until_stopped()
    sagemaker.be_strict()
    sagemaker.run_monitors()
    scheduler.page()
    scheduler.refuse_the_past()
    scheduler.often()
    scheduler.as_deployed()
    eventbridge.let_tests_speak_for_aws()
    eventbridge.to_targets()
    cloudformation.find_stacks_by_resource()
    iam.name_resources()
    iam.name_actions()
    logs.log_as_configured()
    logs.filter_by_json()
    layers.serve_by_https()
    query_definitions.accept()
