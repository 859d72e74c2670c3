"""Each event in ``events/`` starts a shipped trigger: whoever tries ``triggers explain`` on one sees an execution."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from pipeline_triggers.account.home import Home
from pipeline_triggers.documents import loader
from pipeline_triggers.language.sources.drift import SAMPLE_RUN
from pipeline_triggers.operations.check_account import triggers_of

from tests import PROJECT
from tests.localaws import ACCOUNT, REGION, run
from tests.localaws.local_aws import LocalAws


@pytest.fixture(scope="module")
def shipped() -> Iterator[LocalAws]:
    """An account with the pipelines of the shipped triggers, and the monitor's run that an event reports."""
    documents = loader.load(PROJECT / "layers" / "triggers")
    triggers = triggers_of(documents, "dev", Home("aws", ACCOUNT, REGION).pseudo_parameters())
    with LocalAws.running() as aws:
        for pipeline in {start.pipeline for trigger in triggers for start in trigger.start}:
            aws.create_pipeline(pipeline, run.definition(pipeline, triggers))
        output = SAMPLE_RUN["violations_uri"].rpartition("/")[0]
        aws.run_monitor(SAMPLE_RUN["job"], SAMPLE_RUN["schedule"], SAMPLE_RUN["message"], output)
        yield aws


@pytest.mark.parametrize("name", sorted(path.name for path in (PROJECT / "events").glob("*.json")))
def test_each_sample_event_starts_a_shipped_trigger(shipped: LocalAws, name: str) -> None:
    """With the shipped documents and definitions; or joins a batch, if its trigger collects."""
    explained = shipped.triggers("explain", str(PROJECT / "events" / name), "--json")
    assert explained.returncode == 0, explained.stderr
    outcome = "WOULD COLLECT" if name in ("s3_collected.json", "s3_part.json") else "WOULD START"
    assert {explanation["outcome"] for explanation in json.loads(explained.stdout)} == {outcome}
