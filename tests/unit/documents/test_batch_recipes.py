"""The recipes of ``docs/triggers.md`` for batches and limits: each compiles, and is played through the handlers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pytest
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import loader
from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Trigger

from tests.effort import CFN_LINT
from tests.simulation.player import Player
from tests.tools.templates import findings
from tests.unit.documents import recipes

pytestmark = CFN_LINT

TEAM = "batch-recipes"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The compiled triggers of all recipes."""
    directory = tmp_path_factory.mktemp("recipes")
    recipes.write(directory, TEAM)
    files = compiler.compile_documents(loader.load(directory))
    assert findings(files["stack.yaml"]) == []
    return files["triggers.json"]


@pytest.fixture
def player(compiled: str) -> Iterator[Player]:
    """The recipes, deployed."""
    account = {"AWS::Region": "eu-central-1", "AWS::AccountId": "123456789012"}
    triggers: Mapping[str, Trigger] = triggers_json.load(compiled, "dev", account)
    player = Player(triggers, triggers_json.load_limits(compiled, "dev", account))
    with player.installed():
        yield player


def part_files(player: Player) -> None:
    """200 files of one day and three of another: two executions, each with its manifest."""
    days = {"2026-10-31": 200, "2026-11-01": 3}
    for day, files in days.items():
        player.upload(f"{TEAM}/part-files", *(f"sales/{day}/part-{number:03d}.parquet" for number in range(files)))
    assert player.outcomes(f"{TEAM}/part-files") == ["COLLECTED"] * 203
    player.minutes(6)
    first, second = sorted(player.parameters("training"), key=lambda parameters: parameters["Day"])
    assert (first["Day"], first["Files"], second["Files"]) == ("2026-10-31", "200", "3")
    prefix, *keys = player.manifest(first["Manifest"])
    assert prefix == {"prefix": "s3://raw/"}
    assert keys == [f"sales/2026-10-31/part-{number:03d}.parquet" for number in range(200)]
    assert Counter(player.outcomes(f"{TEAM}/part-files")) == {"COLLECTED": 203, "STARTED": 2}


def success_per_region(player: Player) -> None:
    """Two of three: missed after 12 hours; the third starts it."""
    trigger = f"{TEAM}/success-per-region"
    player.upload(trigger, "regions/2026-10-31/emea/_SUCCESS", "regions/2026-10-31/apac/_SUCCESS")
    player.minutes(12 * 60 + 2)
    assert player.verdicts[-1]["reason"] == "missing at the deadline: amer"
    player.upload(trigger, "regions/2026-10-31/amer/_SUCCESS")
    player.minutes(1)
    assert player.parameters("report") == [{"Data": "s3://raw/regions/2026-10-31/", "Regions": "3"}]
    assert Counter(player.outcomes(trigger)) == {"COLLECTED": 3, "MISSED": 1, "STARTED": 1}


def hours_of_a_day(player: Player) -> None:
    """23 hours are not a day; the next night asks for it, and the last hour starts it."""
    trigger = f"{TEAM}/hours-of-a-day"
    player.upload(trigger, *(f"hourly/dt=2026-11-02/hour={hour:02d}/_SUCCESS" for hour in range(23)))
    player.deadline(trigger, "2026-11-03T02:30:00Z")
    assert player.verdicts[-1]["reason"] == "missing at the deadline: 1 parts"
    assert player.parameters("report") == []
    player.upload(trigger, "hourly/dt=2026-11-02/hour=23/_SUCCESS")
    player.minutes(1)
    assert player.parameters("report") == [{"Data": "s3://raw/hourly/dt=2026-11-02/", "Day": "2026-11-02"}]


def business_day(player: Player) -> None:
    """A Monday asks for Friday to Sunday: the incomplete day starts, the days without a file are reported."""
    trigger = f"{TEAM}/business-day"
    player.upload(trigger, "ledger/2026-11-06/debit.csv")
    player.deadline(trigger, "2026-11-09T07:00:00Z")
    player.minutes(1)
    missed = [verdict["subject"] for verdict in player.verdicts if verdict["outcome"] == "MISSED"]
    assert missed == ["2026-11-06", "2026-11-07", "2026-11-08"]
    assert player.parameters("close-the-day") == [{"Day": "2026-11-06", "Missing": "credit"}]


def trickle(player: Player) -> None:
    """Files of five hours: one execution with the first, one six hours later with all others."""
    trigger = f"{TEAM}/trickle"
    player.upload(trigger, "trickle/first.csv")
    player.minutes(3)
    for number in range(5):
        player.upload(trigger, f"trickle/{number}.csv")
        player.minutes(60)
    assert len(player.parameters("trickle")) == 1
    player.minutes(70)
    first, second = (player.manifest(one["Manifest"])[1:] for one in player.parameters("trickle"))
    assert (first, second) == (["trickle/first.csv"], [f"trickle/{number}.csv" for number in range(5)])


def correction(player: Player) -> None:
    """A file that comes again after the start makes a second revision, with all files."""
    trigger = f"{TEAM}/correction"
    player.upload(trigger, "prices/2026-10-31/buy.csv", "prices/2026-10-31/sell.csv")
    player.minutes(1)
    player.upload(trigger, "prices/2026-10-31/buy.csv")
    player.minutes(6)
    assert [one["Revision"] for one in player.parameters("prices")] == ["1", "2"]
    for one in player.parameters("prices"):
        assert player.manifest(one["Manifest"])[1:] == ["prices/2026-10-31/buy.csv", "prices/2026-10-31/sell.csv"]


def one_at_a_time(player: Player) -> None:
    """Of two triggers, the older event starts first, and never two run."""
    player.upload(f"{TEAM}/expensive-upload", "expensive/a.csv", "expensive/b.csv")
    player.now += 1
    player.send(f"{TEAM}/expensive-drift", "alarm", alarmName="drift-churn")
    for reason in ("a.csv", "b.csv", "drift-churn"):
        player.minutes(1)
        assert [one.parameters for one in player.running("expensive")] == [{"Reason": reason}]
        player.end("expensive")
        player.now += 1
    assert len(player.parameters("expensive")) == 3


def nightly_alone(player: Player) -> None:
    """A night that finds the one before still running is skipped, and says what is in the way."""
    trigger = f"{TEAM}/nightly-alone"
    for _ in range(2):
        player.minutes(1)
        player.fire(trigger)
    assert player.outcomes(trigger)[-1] == "SKIPPED"
    assert player.running("nightly")[0].arn in str(player.verdicts[-1]["reason"])
    player.end("nightly")
    player.minutes(1)
    player.fire(trigger)
    assert len(player.parameters("nightly")) == 2


def flapping_endpoint(player: Player) -> None:
    """Up and down: one look, and none if it is up in the end."""
    trigger = f"{TEAM}/flapping-endpoint"
    for status in ("FAILED", "IN_SERVICE", "FAILED"):
        player.minutes(2)
        player.send(trigger, "endpoint", EndpointStatus=status, LastModifiedTime=player.now * 1000)
    player.minutes(11)
    assert player.parameters("post-mortem") == [{"Endpoint": "churn-prod", "Changes": "3"}]
    for status in ("FAILED", "IN_SERVICE"):
        player.send(trigger, "endpoint", EndpointStatus=status, LastModifiedTime=player.now * 1000)
        player.minutes(1)
    player.minutes(11)
    assert len(player.parameters("post-mortem")) == 1
    assert player.outcomes(trigger)[-1] == "FILTERED"


def approval_and_data(player: Player) -> None:
    """In any order, and a second time only when both come again."""
    trigger = f"{TEAM}/approval-and-data"
    player.send(trigger, "model_package", ModelPackageGroupName="churn", ModelApprovalStatus="Approved")
    player.minutes(60)
    assert player.parameters("deploy") == []
    player.upload(trigger, "deploy/new.csv")
    player.minutes(1)
    (parameters,) = player.parameters("deploy")
    assert len(player.files[parameters["Events"]].splitlines()) == 2
    player.upload(trigger, "deploy/newer.csv")
    player.minutes(60)
    assert len(player.parameters("deploy")) == 1


def customers(player: Player) -> None:
    """Two files of each of 60 customers: a batch each, 20 executions at a time."""
    names = [f"c{number:04d}" for number in range(60)]
    for file in ("orders", "returns"):
        player.upload(f"{TEAM}/customers", *(f"customers/{name}/{file}.csv" for name in names))
    player.minutes(11)
    most = 0
    while player.running("customer"):
        most = max(most, len(player.running("customer")))
        player.end("customer")
        player.minutes(1)
    assert most == 20
    assert sorted(one["Customer"] for one in player.parameters("customer")) == names
    assert all(len(player.manifest(one["Manifest"])) == 3 for one in player.parameters("customer"))


def ten_a_day(player: Player) -> None:
    """Twelve uploads: ten start, two a day later."""
    player.upload(f"{TEAM}/ten-a-day", *(f"tuning/{number:02d}.json" for number in range(12)))
    player.minutes(60)
    assert len(player.parameters("tuning")) == 10
    player.minutes(24 * 60)
    expected = [{"Config": f"s3://raw/tuning/{number:02d}.json"} for number in range(12)]
    assert player.parameters("tuning") == expected


def month_end_pause(player: Player) -> None:
    """What comes during the pause starts after it, once, in order."""
    trigger = f"{TEAM}/postings"
    player.pause("trigger", trigger, until=player.now + 3 * 86400)
    keys = [f"postings/{number:02d}.csv" for number in range(20)]
    for key in keys:
        player.upload(trigger, key)
        player.minutes(60)
    assert player.parameters("postings") == []
    player.now += 3 * 86400
    player.minutes(2)
    assert player.parameters("postings") == [{"InputDataUrl": f"s3://raw/{key}"} for key in keys]
    assert Counter(player.outcomes(trigger)) == {"WAITING": 20, "STARTED": 20}


PLAYS: Mapping[str, Callable[[Player], None]] = {
    "part-files": part_files,
    "success-per-region": success_per_region,
    "hours-of-a-day": hours_of_a_day,
    "business-day": business_day,
    "trickle": trickle,
    "correction": correction,
    "expensive-upload, expensive-drift": one_at_a_time,
    "nightly-alone": nightly_alone,
    "flapping-endpoint": flapping_endpoint,
    "approval-and-data": approval_and_data,
    "customers": customers,
    "ten-a-day": ten_a_day,
    "postings": month_end_pause,
}


def test_every_recipe_is_played(player: Player) -> None:
    """There are at least ten."""
    played = {f"{TEAM}/{name}" for names in PLAYS for name in names.split(", ")}
    assert player.triggers.keys() == played
    assert len(PLAYS) >= 10


@pytest.mark.parametrize("names", PLAYS)
def test_a_recipe_does_what_it_says(player: Player, names: str) -> None:
    """From its events to its executions."""
    PLAYS[names](player)
    assert player.dead == []
