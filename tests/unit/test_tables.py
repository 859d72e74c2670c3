"""Python values in DynamoDB, through the low-level client."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st
from pipeline_triggers import aws
from pipeline_triggers.tables import attribute, value

from tests.simulation.invocation import ENVIRONMENT

SCALARS = st.one_of(
    st.text(), st.booleans(), st.none(), st.integers(-(10**37), 10**37), st.decimals(-1000, 1000, places=3), st.binary()
)
SETS = st.one_of(
    st.sets(st.text(), min_size=1), st.sets(st.integers(0, 10**9), min_size=1), st.sets(st.binary(), min_size=1)
)
VALUES = st.recursive(
    SCALARS | SETS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(VALUES)
def test_a_value_comes_back_as_it_was(written: Any) -> None:
    """Whatever its type."""
    assert value(attribute(written)) == written


@given(VALUES)
def test_values_are_written_as_boto3_writes_them(written: Any) -> None:
    """So tables that boto3 wrote stay readable."""
    assert _in_order(attribute(written)) == _in_order(TypeSerializer().serialize(written))


def _in_order(written: Any) -> Any:
    """Return an attribute with its sets sorted; their order means nothing. boto3 writes numbers in another spelling."""
    match written:
        case {"N": str(number)}:
            return {"N": Decimal(number)}
        case {"SS": list(items)} | {"NS": list(items)} | {"BS": list(items)}:
            return sorted(items)
        case dict():
            return {name: _in_order(item) for name, item in written.items()}
        case list():
            return [_in_order(item) for item in written]
    return written


@pytest.mark.parametrize("written", [1.5, set(), {1, "a"}, object], ids=["a float", "no items", "two types", "a class"])
def test_what_dynamodb_has_no_type_for_is_refused(written: object) -> None:
    """A float would not be exact, a set is of one type and not empty."""
    with pytest.raises(TypeError, match="no type"):
        attribute(written)


@pytest.mark.usefixtures("state_table")
def test_values_are_converted_wherever_an_operation_has_them() -> None:
    """In an item, a key, a condition's values, a transaction, a page and what a batch leaves unprocessed."""
    name, client = ENVIRONMENT["STATE_TABLE"], aws.dynamodb()
    aws.table(name).put_item(Item={"id": "a", "n": 1, "tags": {"x", "y"}, "map": {"list": [True, None]}})
    put = {"TableName": name, "Item": {"id": "b", "n": 2}, "ConditionExpression": "attribute_not_exists(id)"}
    client.transact_write_items(TransactItems=[{"Put": put}])
    response = aws.table(name).update_item(
        Key={"id": "b"},
        UpdateExpression="ADD n :one",
        ConditionExpression="n = :two",
        ExpressionAttributeValues={":one": 1, ":two": 2},
        ReturnValues="ALL_NEW",
    )
    assert response["Attributes"] == {"id": "b", "n": 3}
    a = {"id": "a", "n": 1, "tags": {"x", "y"}, "map": {"list": [True, None]}}
    assert aws.table(name).get_item(Key={"id": "a"}, ConsistentRead=True)["Item"] == a
    page = client.batch_get_item(RequestItems={name: {"Keys": [{"id": "a"}, {"id": "b"}]}})
    assert sorted(page["Responses"][name], key=lambda item: str(item["id"])) == [a, {"id": "b", "n": 3}]
    client.batch_write_item(RequestItems={name: [{"DeleteRequest": {"Key": {"id": "a"}}}]})
    assert aws.table(name).scan()["Items"] == [{"id": "b", "n": 3}]
