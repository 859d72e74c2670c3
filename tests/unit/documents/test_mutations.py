"""Right documents with one node gone, of another type or misspelt: each is refused with its place and a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pipeline_triggers.documents import loader
from pipeline_triggers.documents.schema_check import schema
from pipeline_triggers.errors import DocumentsError

Way = tuple[str | int, ...]

STAGES = "dev: {RawBucket: raw-dev}\nprod: {RawBucket: raw-prod}\n"

# All that the schema knows, each node in each of its types.
RIGHT = """\
version: 1
owner: churn-team
notify: arn:aws:sns:eu-central-1:123456789012:churn-news
pipelines: [churn-*, ltv]
triggers:
  upload:
    description: Retrain on an upload.
    enabled: true
    when: {s3: {bucket: "${RawBucket}", key: "in/**/*.csv"}}
    if: "{% $object.size > 0 %}"
    start: churn-train
    parameters: {Input: $.detail.object.key, Rate: 0.1}
    dedupe: "{% $object.key %}"
    max_starts: 20
    dry_run: false
    tags: {team: churn}
    display_name: "{% $object.name %}"
    max_parallel_steps: 2
    steps: [Train, Evaluate]
    source_execution: arn:aws:sagemaker:eu-central-1:123456789012:pipeline/churn-train/execution/u6m0hbf4ttq2
    version: 3
    mlflow_experiment: churn
  guarded:
    was: [earlier, first]
    when: {s3: {bucket: raw}}
    start: ltv
    parameters: {Password: x, Pin: y}
    secret: [Password, Pin]
    breaker: 3
  renamed:
    was: before
    when: {s3: {bucket: raw}}
    start: ltv
  publisher:
    when: {sns: {}}
    start_one_of: [churn-train, ltv]
    accept: {Day: "2026-*", Market: [de, at]}
  played:
    when: {s3: {bucket: raw}}
    start: {churn-train: {Input: $.detail.object.key}, ltv: {}}
    examples:
      - {event: {key: in/a/b.csv}, starts: {churn-train: {Input: in/a/b.csv}, ltv: {}}}
      - {event: event.json, starts: [churn-train, ltv]}
      - {event: {size: 0}, starts: ltv}
      - {events: [{key: c}, event.json], ignored: condition}
      - {event: {key: d}, rejected: "true"}
      - {event: {key: d}, duplicate: true}
  topic:
    when: {sns: {topic: "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:orders"}}
    start: ltv
  filtered:
    when: {sns: {topic: "arn:aws:sns:eu-central-1:123456789012:by-team", attributes: {team: [churn, ltv]}}}
    start: ltv
  alarming:
    when: {sns: {topic: "arn:aws:sns:eu-central-1:123456789012:alarms", body: {NewStateValue: [{prefix: AL}, OK]}}}
    start: ltv
  endpoint:
    when: {endpoint: {name: churn-*, status: in-service}}
    start: {churn-test: {Endpoint: $.detail.EndpointName}, ltv: {}}
  endpoints:
    when: {endpoint: {status: [failed]}}
    start: ltv
  deployment:
    when: {endpoint: {deployment: baking}}
    start: ltv
  deployments:
    when: {endpoint: {deployment: [baking, creating]}}
    start: ltv
  monitor:
    when: {drift: {monitoring_schedule: churn-*}}
    start: ltv
  job:
    when: {training_job: {name: churn-*, status: failed}}
    start: ltv
  jobs:
    when: {training_job: {status: [failed, Stopped]}}
    start: ltv
  package:
    when: {model_package: {group: churn, approval: approved}}
    start: ltv
  packages:
    when: {model_package: {approval: [approved]}}
    start: ltv
  chain:
    when: {pipeline: {name: orders, status: succeeded}}
    start: ltv
  chains:
    when: {pipeline: {name: orders, status: [failed]}}
    start: ltv
  alarm:
    when: {alarm: {name: churn, state: alarm}}
    start: ltv
  alarms:
    when: {alarm: {name: churn, state: [alarm]}}
    start: ltv
  hasty:
    when: {s3: {bucket: raw}}
    delivery: direct
    start: ltv
  once:
    when: {schedule: {at: "2027-12-13T10:15:20", timezone: Europe/Berlin}}
    start: ltv
  often:
    when: {schedule: {rate: 5 minutes, start: "2027-01-01T00:00:00Z", end: "2028-01-01T00:00:00+01:00", jitter: 5}}
    start: ltv
  nightly:
    when: {schedule: {cron: "0 2 * * ? *", timezone: UTC}}
    start: ltv
  closed:
    when:
      event:
        bus: shop
        pattern:
          source: [acme.shop]
          detail: {orders: [{numeric: [">", 0]}], kind: [month, {prefix: year-}]}
          $or: [{region: [eu-central-1]}, {account: ["123456789012"]}]
    start: ltv
  trickle:
    when: {s3: {bucket: raw, key: "in/*/*.csv"}}
    collect:
      by: "{% $split($object.key, '/')[1] %}"
      quiet: 10 minutes
      max_open: 2 hours
      max_events: 500
      only_if: "{% $batch.count > 1 %}"
    start: ltv
    when_busy: wait
  daily:
    when: {s3: {bucket: raw, key: "sales/*/*/_SUCCESS"}}
    collect:
      by: "{% $split($object.key, '/')[1] %}"
      part: "{% $split($object.key, '/')[2] %}"
      expect: [emea, apac]
      late: new
      deadline:
        cron: 0 8 ? * MON-FRI *
        timezone: Europe/Berlin
        due: "{% $scheduled.days %}"
        start_incomplete: true
    start: ltv
  hours:
    when: {s3: {bucket: raw, key: "hours/*/_SUCCESS"}}
    collect: {part: "{% $split($object.key, '/')[1] %}", expect: 12, deadline: {after: 1 day}}
    start: ltv
  joined:
    when: {all: {data: {s3: {bucket: raw}}, model: {model_package: {approval: approved}}}}
    if: {data: "{% $object.size > 0 %}"}
    dedupe: {data: "{% $object.key %}"}
    collect: {by: {data: "{% $object.key %}", model: $.detail.ModelPackageGroupName}, deadline: {after: 2 days}}
    start: ltv
limits:
  churn-train: {max_running: 1, min_interval: 6 hours, max_per_day: 10}
"""

# What may be done to a right document. Nothing else may.
STILL_RIGHT = {
    # what is optional, and what is left of a list
    "delete": """
        notify pipelines.1
        guarded.was guarded.was.0 guarded.was.1 guarded.secret guarded.secret.0 guarded.secret.1 guarded.breaker
        renamed.was
        upload.description upload.enabled upload.when.s3.key upload.if upload.parameters upload.parameters.Input
        upload.parameters.Rate upload.dedupe upload.max_starts upload.dry_run upload.tags upload.tags.team
        upload.display_name upload.max_parallel_steps upload.steps.0 upload.steps.1 upload.source_execution
        upload.version upload.mlflow_experiment
        publisher.start_one_of.0 publisher.start_one_of.1 publisher.accept publisher.accept.Day
        publisher.accept.Market publisher.accept.Market.0 publisher.accept.Market.1
        topic.when.sns.topic
        played.examples played.examples.0 played.examples.1 played.examples.2 played.examples.3 played.examples.4
        played.examples.5 played.examples.0.event.key played.examples.0.starts.churn-train
        played.examples.0.starts.churn-train.Input played.examples.0.starts.ltv played.examples.1.starts.0
        played.examples.1.starts.1 played.examples.2.event.size played.examples.3.events.0
        played.examples.3.events.0.key played.examples.3.events.1 played.examples.4.event.key
        played.examples.5.event.key
        filtered.when.sns.attributes filtered.when.sns.attributes.team.0 filtered.when.sns.attributes.team.1
        alarming.when.sns.body alarming.when.sns.body.NewStateValue.0 alarming.when.sns.body.NewStateValue.1
        deployments.when.endpoint.deployment.0 deployments.when.endpoint.deployment.1
        endpoint.when.endpoint.name endpoint.start.churn-test endpoint.start.churn-test.Endpoint endpoint.start.ltv
        job.when.training_job.name jobs.when.training_job.status.0 jobs.when.training_job.status.1
        package.when.model_package.group
        hasty.delivery
        often.when.schedule.start often.when.schedule.end often.when.schedule.jitter
        closed.when.event.bus closed.when.event.pattern.source closed.when.event.pattern.detail
        closed.when.event.pattern.detail.orders closed.when.event.pattern.detail.kind
        closed.when.event.pattern.detail.kind.0 closed.when.event.pattern.detail.kind.1
        closed.when.event.pattern.$or
        closed.when.event.pattern.detail.orders.0.numeric.0 closed.when.event.pattern.detail.orders.0.numeric.1
        trickle.when.s3.key trickle.collect trickle.collect.by trickle.collect.quiet trickle.collect.max_open
        trickle.collect.max_events trickle.collect.only_if trickle.when_busy
        daily.when.s3.key daily.collect daily.collect.expect.0 daily.collect.expect.1 daily.collect.late
        daily.collect.deadline.start_incomplete
        hours.when.s3.key hours.collect
        joined.if joined.dedupe joined.collect.by
        limits limits.churn-train.max_running limits.churn-train.min_interval limits.churn-train.max_per_day
    """,
    # a start without its parameters; a tag without a value; events that hold an empty text; what only EventBridge
    # knows: its operators' values
    "to an empty text": """
        upload.tags.team
        played.examples.0.event.key played.examples.2.event.size played.examples.3.events.0.key
        played.examples.4.event.key played.examples.5.event.key
        played.examples.0.starts.churn-train.Input
        filtered.when.sns.attributes.team.0 filtered.when.sns.attributes.team.1
        alarming.when.sns.body.NewStateValue.0 alarming.when.sns.body.NewStateValue.1
        alarming.when.sns.body.NewStateValue.0.prefix
        closed.when.event.pattern.source.0 closed.when.event.pattern.detail.orders.0
        closed.when.event.pattern.detail.kind.0 closed.when.event.pattern.detail.kind.1
        closed.when.event.pattern.$or.0.region.0 closed.when.event.pattern.$or.1.account.0
        closed.when.event.pattern.detail.kind.1.prefix closed.when.event.pattern.detail.orders.0.numeric
        closed.when.event.pattern.detail.orders.0.numeric.0 closed.when.event.pattern.detail.orders.0.numeric.1
    """,
    # a glob instead of values, one name instead of several
    "to a text": """
        guarded.was
        publisher.accept.Market
        closed.when.event.pattern.detail.orders.0.numeric
    """,
    "to a mapping": """
        played.examples.0.event.key played.examples.2.event.size played.examples.3.events.0.key
        played.examples.4.event.key played.examples.5.event.key
        alarming.when.sns.body.NewStateValue.0.prefix
        closed.when.event.pattern.detail.kind.1.prefix
        closed.when.event.pattern.detail.orders.0.numeric.0 closed.when.event.pattern.detail.orders.0.numeric.1
    """,
    "to a nested list": """
        played.examples.0.event.key played.examples.2.event.size played.examples.3.events.0.key
        played.examples.4.event.key played.examples.5.event.key
        alarming.when.sns.body.NewStateValue.0.prefix
        closed.when.event.pattern.detail.kind.1.prefix
        closed.when.event.pattern.detail.orders.0.numeric.0 closed.when.event.pattern.detail.orders.0.numeric.1
    """,
    # pipelines without parameters
    "to a list": """
        played.examples.0.starts
    """,
    # names that the author chooses
    "misspell": """
        filtered filtered.when.sns.attributes.team alarming alarming.when.sns.body.NewStateValue
        upload guarded renamed publisher played topic endpoint endpoints deployment deployments
        monitor job jobs package packages chain chains alarm alarms hasty once often nightly closed
        trickle daily hours joined
        upload.parameters.Input upload.parameters.Rate upload.tags.team
        publisher.accept.Day publisher.accept.Market
        endpoint.start.churn-test.Endpoint
        closed.when.event.pattern.detail.orders closed.when.event.pattern.detail.kind
    """,
}


def entries(data: Any) -> list[tuple[Any, Any]]:
    """Return what is under a node: names or indices, with values."""
    match data:
        case dict():
            return list(data.items())
        case list():
            return list(enumerate(data))
        case _:
            return []


def nodes(data: Any, way: Way = ()) -> Iterator[tuple[Way, Any]]:
    """Give every node of a document, with the way to it."""
    yield way, data
    for step, value in entries(data):
        yield from nodes(value, (*way, step))


def replaced(data: Any, way: Way, *instead: tuple[str | int, Any]) -> Any:
    """Return the document with another name and value, or none, instead of the node at the way's end."""
    kept: list[tuple[Any, Any]] = []
    for step, value in entries(data):
        if step != way[0]:
            kept.append((step, value))
        elif len(way) > 1:
            kept.append((step, replaced(value, way[1:], *instead)))
        else:
            kept.extend(instead)
    return dict(kept) if isinstance(data, dict) else [value for _, value in kept]


def misspelt(name: str) -> Iterator[str]:
    """Give a name without the letter in its middle, and with another there."""
    at = len(name) // 2
    yield name[:at] + name[at + 1 :]
    yield name[:at] + ("y" if name[at] == "x" else "x") + name[at + 1 :]


def mutations(document: Any) -> Iterator[tuple[str, Way, Any]]:
    """Give (what is done, to which node, the document then) for all that can be done to a document."""
    for way, node in nodes(document):
        retyped: dict[str, Any] = {"to an empty text": ""}
        match node:
            case dict():
                retyped["to a list"] = list(node)
            case list():
                retyped["to a text"] = "text"
            case _:
                retyped |= {"to a mapping": {"name": node}, "to a nested list": [[node]]}
        if not way:
            yield from ((what, way, other) for what, other in retyped.items())
            continue
        yield "delete", way, replaced(document, way)
        for what, other in retyped.items():
            yield what, way, replaced(document, way, (way[-1], other))
        if isinstance(way[-1], str):
            for name in misspelt(way[-1]):
                yield "misspell", way, replaced(document, way, (name, node))


def all_mutations() -> Iterator[tuple[str, Way, Any]]:
    """Mutate each trigger in a document of its own, and what is around the triggers in the first of them."""
    right = yaml.safe_load(RIGHT)
    for at, (name, trigger) in enumerate(right["triggers"].items()):
        for what, way, document in mutations({**right, "triggers": {name: trigger}}):
            if at == 0 or way[:2] == ("triggers", name):
                yield what, way, document


def spelt(way: Way) -> str:
    """Write a way as ``STILL_RIGHT`` does."""
    return ".".join(map(str, way[1:] if way[:1] == ("triggers",) and len(way) > 1 else way))


MUTATIONS = list(all_mutations())


def declared(node: Any, way: str = "") -> Iterator[str]:
    """Give every node of the schema in every type that it may have: ``triggers.*.start: object``."""
    node = referred(node)
    for kind in {"string" if kind in ("number", "boolean", "integer") else kind for kind in kinds(node)}:
        yield f"{way}: {kind}"
    for name, child in children(node):
        yield from declared(child, f"{way}.{name}")


def used(node: Any, data: Any, way: str = "") -> Iterator[str]:
    """Give every node of the schema that a document uses, likewise."""
    node = referred(node)
    yield f"{way}: {'object' if isinstance(data, dict) else 'array' if isinstance(data, list) else 'string'}"
    below = dict(children(node))
    for step, value in entries(data):
        name = "[]" if isinstance(step, int) else step if step in below else "*"
        if name in below:  # what an event pattern holds is not the schema's
            yield from used(below[name], value, f"{way}.{name}")


def referred(node: Any) -> Any:
    """Return a node of the schema together with what it refers to."""
    return {**schema()["$defs"][node["$ref"].rpartition("/")[2]], **node} if "$ref" in node else node


def kinds(node: Any) -> list[str]:
    """Return the types that a node may have; words to choose from are texts."""
    kind = node.get("type", "string")
    return kind if isinstance(kind, list) else [kind]


def children(node: Any) -> Iterator[tuple[str, Any]]:
    """Give the nodes below a node of the schema: by name, ``*`` for any name, ``[]`` for an item."""
    yield from node.get("properties", {}).items()
    if isinstance(node.get("additionalProperties"), dict):
        # A source of several is a ``when`` itself, in the schema too.
        again = node["additionalProperties"].get("$ref") == "#/$defs/when"
        yield "*", {"type": "object"} if again else node["additionalProperties"]
    if "items" in node:
        yield "[]", node["items"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for one document after the other."""
    directory = tmp_path_factory.mktemp("triggers")
    (directory / "stages.yaml").write_text(STAGES, encoding="utf-8")
    return directory


def test_the_right_document_uses_every_node_of_the_schema(directory: Path) -> None:
    """What is new in the schema has to be added here, and so is mutated."""
    (directory / "churn.yaml").write_text(RIGHT, encoding="utf-8")
    loader.load(directory)
    assert set(declared(schema())) == set(used(schema(), yaml.safe_load(RIGHT)))


def test_allowed_actions_are_carried_out() -> None:
    """No line of ``STILL_RIGHT`` is left over."""
    done = {(what, spelt(way)) for what, way, _ in MUTATIONS}
    assert {(what, way) for what, ways in STILL_RIGHT.items() for way in ways.split()} <= done


@pytest.mark.parametrize(
    ("what", "way", "document"), MUTATIONS, ids=[f"{what} {spelt(way) or 'all'}" for what, way, _ in MUTATIONS]
)
def test_a_mutation_is_refused_or_still_right(directory: Path, what: str, way: Way, document: Any) -> None:
    """With the file, the line that the field is on, the field, and a remedy; never with another exception."""
    text = yaml.safe_dump(document, sort_keys=False, width=1000)
    path = directory / "churn.yaml"
    path.write_text(text, encoding="utf-8")
    if spelt(way) in STILL_RIGHT[what].split():
        loader.load(directory)
        return
    with pytest.raises(DocumentsError) as error:
        loader.load(directory)
    for problem in error.value.problems:
        assert problem.file == str(path)
        assert len(way) < 2 or problem.field
        if way[:1] == ("triggers",) and len(way) > 2:
            assert problem.field.startswith(f"triggers.{way[1]}")
        assert problem.message.startswith("needs ") or problem.message.partition("; ")[2], "a remedy"
        assert "{'" not in problem.message, "words, and no Python"
        assert stands_on(text.splitlines()[problem.line - 1].strip(), problem.field)


def stands_on(line: str, field: str) -> bool:
    """Whether a field begins on a line; what is wrong with the document as a whole is on its first."""
    last = field.rpartition(".")[2]
    if last.isdigit():
        return line.startswith("- ")
    return line.removeprefix("- ").startswith((f"{last}:", f"'{last}':", f'"{last}":')) or not field
