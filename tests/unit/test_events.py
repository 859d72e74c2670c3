"""Raw payloads → Occurrences."""

from __future__ import annotations

import json
from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers import events
from pipeline_triggers.errors import Rejected

from tests import PROJECT

EVENT = json.loads((PROJECT / "events" / "s3.json").read_text(encoding="utf-8"))


def test_an_upload_binds_the_object() -> None:
    """``$object`` has what S3 says of the object, under plain names."""
    assert events.s3_upload(EVENT).bindings == {
        "object": {
            "bucket": "acme-raw-dev",
            "key": "churn/2026-10/data.csv",
            "name": "data.csv",
            "uri": "s3://acme-raw-dev/churn/2026-10/data.csv",
            "size": 48213,
            "etag": "9b2cf535f27731c974343645a3985328",
            "version_id": "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY",
            "sequencer": "00671F8A2C55E0B1D4",
            "reason": "PutObject",
        }
    }


def test_an_unversioned_bucket_is_told_apart_by_etag() -> None:
    """Without a version id, the etag and the sequencer say which upload it was."""
    s3_object = {name: value for name, value in EVENT["detail"]["object"].items() if name != "version-id"}
    upload = events.s3_upload({**EVENT, "detail": {**EVENT["detail"], "object": s3_object}})
    assert "version_id" not in upload.bindings["object"]
    assert upload.identity == (
        "s3",
        "acme-raw-dev",
        "churn/2026-10/data.csv",
        "9b2cf535f27731c974343645a3985328",
        "00671F8A2C55E0B1D4",
    )


def test_the_identity_is_of_the_upload_not_of_the_event() -> None:
    """EventBridge may deliver one upload as two events; they are the same upload."""
    assert events.s3_upload({**EVENT, "id": "another"}).identity == events.s3_upload(EVENT).identity


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "detail", "bucket", "object"]), inner),
    )
)
def test_no_payload_is_an_uncaught_error(payload: object) -> None:
    """Whatever the queue holds is read or rejected."""
    for body in (json.dumps(payload), json.dumps({"trigger": "t", "event": payload})):
        try:
            for read in (partial(events.from_rule, events.s3_upload), partial(events.from_rule, events.eventbridge)):
                for arrival in read(body, {}):
                    arrival.occurrence()
        except Rejected:
            continue
