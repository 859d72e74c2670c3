"""Whatever a run created, and wherever it was killed, the clean-up leaves nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.effort import is_thorough
from tests.localaws import ACCOUNT, REGION
from tests.unit.verify_aws.missing import Missing, Parameters, Refused, refuse
from tests.unit.verify_aws.test_whole_probes import CASES, Case, run_case
from tests.unit.verify_aws.world import Killed, World
from tests.verify_aws import __main__ as verify_aws
from tests.verify_aws import deployment
from tests.verify_aws.__main__ import PROBES, NotClean, verify
from tests.verify_aws.account import NAME, Account
from tests.verify_aws.cleanup import clean_up, left_of
from tests.verify_aws.probe import Probe

RIGHT = [case for case in CASES if not case.reason]


@pytest.fixture(autouse=True)
def moto() -> Iterator[None]:
    """An empty account."""
    with mock_aws():
        yield


def everything(monkeypatch: pytest.MonkeyPatch) -> Missing:
    """Let all probes create what they do, and a deploy what outlives its stack."""
    missing = Missing()
    for case in RIGHT:
        run_case(case, case.world(missing=missing), monkeypatch)
    boto3.client("logs", REGION).create_log_group(logGroupName=f"{NAME}-OnEventLogGroup-1A2B")
    boto3.client("dynamodb", REGION).create_table(
        TableName=f"{NAME}-StateTable-1A2B",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return missing


def test_everything_is_seen_before_it_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else an empty list of leftovers would say nothing; what has another name is not touched."""
    boto3.client("sqs", REGION).create_queue(QueueName="others")
    missing = everything(monkeypatch)
    kinds = {left.rpartition(" ")[0] for left in left_of(World(missing=missing))}
    assert kinds == {
        *("rule", "group", "function", "queue", "pipeline", "bucket", "role", "policy", "table", "log group"),
        *("stack", "model package group", "endpoint", "endpoint configuration"),
    }
    assert clean_up(World(missing=missing)) == []
    assert boto3.client("sqs", REGION).list_queues()["QueueUrls"][0].endswith("/others")


def moments(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Case, int]]:
    """Return after which call of which probe something exists that did not before: its kinds of calls tell."""
    found: dict[frozenset[str], tuple[Case, int]] = {}
    for case in RIGHT:
        with mock_aws():
            world = case.world()
            run_case(case, world, monkeypatch)
        for call in range(1, len(world.made) + 1):
            made = frozenset(name for name in world.made[:call] if not name.startswith(("Describe", "Get", "List")))
            found.setdefault(made, (case, call))
    return list(found.values())


def test_a_run_that_was_killed_anywhere_is_cleaned_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each call that changes something, of each probe; every fourth of them on each change."""
    for case, call in moments(monkeypatch)[:: 1 if is_thorough() else 4]:
        with mock_aws():
            world = case.world(kill_at=-call)
            with suppress(Killed):
                run_case(case, world, monkeypatch)
            assert clean_up(World(missing=world.missing)) == [], (case.letter, call)


def test_a_clean_up_that_was_killed_anywhere_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time it comes seven calls further."""
    missing = everything(monkeypatch)
    kill_at = 1
    while left_of(World(missing=missing)):
        with suppress(Killed):
            clean_up(World(missing=missing, kill_at=kill_at))
        kill_at += 7
    assert kill_at > 50


def test_a_stack_whose_deploy_goes_on_is_deleted_when_cloudformation_lets_it() -> None:
    """A killed sam leaves a stack in the middle of a change."""
    missing, refusals = Missing(), iter([Refused("ValidationError")] * 3)
    missing.stack = True

    def delete(asked: Parameters) -> Any:
        for refused in refusals:
            raise refused
        return missing.answers()["DeleteStack"](asked)

    world = World({"DeleteStack": delete}, missing=missing)
    world.patience = 10
    assert clean_up(world) == []


def test_what_can_not_be_removed_is_named_and_keeps_nothing_else() -> None:
    """With AWS's words."""
    world = World({"DeleteQueue": refuse("AccessDenied")})
    world.queue("one")
    world.pipeline()
    left = clean_up(world)
    assert [one.partition(" ")[0] for one in left] == ["queue", "An"]
    assert "(AccessDenied) when calling the DeleteQueue operation: no" in left[1]


def test_what_can_not_be_listed_counts_as_left() -> None:
    """It may be there; the rest is removed."""
    world = World({"ListRoles": refuse("AccessDenied")})
    world.pipeline()
    left, refusal = clean_up(world)
    assert left.startswith("what can't be listed: ")
    assert "(AccessDenied) when calling the ListRoles operation" in refusal
    assert left_of(World()) == [f"role {NAME}-pipelines"]


def test_what_is_gone_but_still_listed_is_no_error() -> None:
    """SQS lists a deleted queue for a minute."""
    listed = iter([{"QueueUrls": ["https://sqs/1/pipeline-triggers-verify-gone"]}, {}])
    gone = {"DeleteQueue": refuse("AWS.SimpleQueueService.NonExistentQueue"), "ListQueues": lambda _: next(listed)}
    assert clean_up(World(gone)) == []


def test_what_is_gone_before_its_turn_is_no_error() -> None:
    """AWS refuses to delete it, in whatever words, and does not list it any more."""
    listed = iter([{"Roles": [{"RoleName": f"{NAME}-gone"}]}, {}, {}])
    gone = {"ListRoles": lambda _: next(listed), "DeleteRole": refuse("ValidationError")}
    assert clean_up(World(gone)) == []


def probe(observe: Callable[[Account], Any]) -> Probe:
    """Return a probe that only looks."""
    return Probe("X", "?", "!", "code", "do", observe, lambda _: None)


@pytest.fixture
def all_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the report know the tests' probe."""
    monkeypatch.setattr(verify_aws, "PROBES", [*PROBES, probe(lambda _: {})])


@pytest.mark.usefixtures("all_probes")
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_breaks_off_keeps_its_findings_and_leaves_nothing(
    error: type[BaseException], tmp_path: Path
) -> None:
    """Ctrl-C, or a bug in a probe: what was seen before is in the report."""

    def breaks(account: Account) -> Any:
        account.pipeline()
        raise error

    world = World()
    with pytest.raises(error):
        verify(world, [probe(lambda account: {"seen": account.pipeline()}), probe(breaks)], tmp_path)
    assert left_of(World()) == []
    assert json.loads((tmp_path / "X.json").read_text()) == {"seen": NAME}


@pytest.mark.usefixtures("all_probes")
def test_a_run_that_is_to_go_on_in_a_day_keeps_what_it_made_unless_it_breaks_off(tmp_path: Path) -> None:
    """The next run resumes it, and removes everything."""
    verify(World(), [probe(lambda account: {"seen": account.pipeline()})], tmp_path, keeps=True)
    assert f"pipeline {NAME}" in left_of(World())
    verify(World(), [probe(lambda account: account.client("sagemaker").describe_pipeline(PipelineName=NAME))], tmp_path,
           resumes=True)  # fmt: skip
    assert left_of(World()) == []

    def interrupted(account: Account) -> Any:
        account.pipeline()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(World(), [probe(interrupted)], tmp_path, keeps=True)
    assert left_of(World()) == []


def test_a_run_does_not_begin_where_an_earlier_one_can_not_be_removed(tmp_path: Path) -> None:
    """Its probes would see what that left."""
    world = World({"DeleteRole": refuse("AccessDenied")})
    world.role("any", "lambda", [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}])
    with pytest.raises(NotClean, match=r"Not removed: role .*-any; .*AccessDenied.*CLEAN=1"):
        verify(world, PROBES, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_fixtures_do_not_name_the_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are committed; the account's number is another one."""
    looks = probe(lambda account: {"arn": account.arn("sqs", "q")})
    monkeypatch.setattr(verify_aws, "PROBES", [looks])
    seen = World()
    seen.id = "999999999999"
    verify(seen, [looks], tmp_path)
    assert json.loads((tmp_path / "X.json").read_text())["arn"] == f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"
    assert "999999999999" not in (tmp_path / "README.md").read_text()


def test_sam_deploys_with_the_deployer_s_rights_and_no_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile of the shell would have others, and probe C would say that the policies suffice."""
    monkeypatch.setenv("AWS_PROFILE", "administrator")
    asked: list[dict[str, str]] = []

    class Done:
        returncode, stdout, stderr = 1, "", "no"

    def run(*_: Any, env: dict[str, str], **__: Any) -> Done:
        asked.append(env)
        return Done()

    monkeypatch.setattr("subprocess.run", run)
    keys = dict(zip(deployment.KEYS, "abc", strict=True))
    deployer = {variable: keys[name] for name, variable in deployment.KEYS.items()}
    assert deployment.sam(tmp_path, deployer, "deploy") == "no"
    assert deployment.sam(tmp_path, {}, "build") == "no"
    assert (
        asked[0].items() >= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_SESSION_TOKEN": "c"}.items()
    )
    assert "AWS_PROFILE" not in asked[0]
    assert asked[1]["AWS_PROFILE"] == "administrator"
