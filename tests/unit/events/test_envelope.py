"""What a message of a handler's queue holds."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers.errors import Rejected
from pipeline_triggers.events.envelope import from_rule


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
            for handler in ("OnS3Upload", "OnEvent"):
                for arrival in from_rule(handler, body, {}):
                    arrival.occurrence()
        except Rejected:
            continue
