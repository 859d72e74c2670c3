"""What holds for every document, event and request: properties, stated once and tried on many examples."""

from __future__ import annotations

import datetime
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from botocore.loaders import Loader
from botocore.model import ServiceModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.delivery import requests
from pipeline_triggers.documents import loader, value_check
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.errors import DocumentsError, Filtered, Rejected
from pipeline_triggers.events import eventbridge
from pipeline_triggers.events.sns import from_topic
from pipeline_triggers.language import globs, jsonata, triggers_json, values
from pipeline_triggers.language.jsonata import compile_expression, rules
from pipeline_triggers.language.jsonata.budget import BUDGET, Budget
from pipeline_triggers.language.sources import BATCHES, HANDLERS, starter
from pipeline_triggers.language.stages import resolve
from pipeline_triggers.models import Occurrence, Options, Run, Start, Trigger, When
from pipeline_triggers.starts.plan import plan

from tests.effort import CFN_LINT
from tests.tools.templates import findings


def _examples(share: float) -> settings:
    """Try a share of the profile's number of examples, which are large and slow here on purpose."""
    return settings(max_examples=int(share * settings().max_examples), suppress_health_check=list(HealthCheck))


# ---- Documents

# As long as they get.
PSEUDO_PARAMETERS = {"AWS::AccountId": "123456789012", "AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-1"}

STAGES = {
    "dev": {
        "Name": "Dev",
        "Bucket": "raw-dev",
        "Long": "l" * 200,
        "Odd": "é'\"\n: $",
        "Zone": "America/Argentina/ComodRivadavia",
        "Often": "12 hours",
        "Day": "SUN",
    },
    "Prod1": {
        "Name": "prod",
        "Bucket": "raw.prod",
        "Long": "L",
        "Odd": "🚀",
        "Zone": "UTC",
        "Often": "1 minute",
        "Day": "7",
    },
}

_ODD_TEXTS = ["é", "🚀 'single' \"double\"", "a\nb", "${Name}", "${Long}", "${Nope}", "${", "#!: {}[]", "x" * 300, ""]


def _mostly(good: list[Any], odd: list[Any]) -> st.SearchStrategy[Any]:
    """Choose what is right, and once in a while what may not be."""
    return st.sampled_from([*good * (1 + 40 * len(odd) // len(good)), *odd])


def _maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_names = _mostly(["churn", "churn-*", "*-${Name}", "*", "${Name}", "é*", "n" * 300, "a'b\"c"], _ODD_TEXTS)
_keys = _mostly(["a/*.csv", "**/é.csv", "${Name}/in/**", "k" * 900, "${Long}/x", '"/\\*', "${Odd}"], ["a**", "é" * 600])
_pipelines = _mostly(
    ["train", "Train-${Name}", "${Name}", "p" * 256, "a--B", "${Long}-${Name}"], ["-x", "p" * 257, "train_1", "${Nope}"]
)
_values = _mostly(
    ["20", "NO", "é🚀", "v" * 1024, "${Long}${Odd}", "s3://${Bucket}/'\"", "$.id", "{% $string(id) & '${Name}' %}"],
    ["", "v" * 1025, "$.a..b", "{% $now() %}", "{% 1 +", "$x", "${Nope}"],
)
_parameter_names = _mostly(["A", "a-b_C", "N" * 256], ["é", "N" * 257, "A\n", ""])
_parameters = st.dictionaries(_parameter_names, _values, max_size=3)
_sent_directly = st.sampled_from(["20", "${Long}${Odd}", "$.id", "v" * 1024, "{% $scheduled.time %}"])
_matchers = st.one_of(
    _mostly(["x", "${Long}", "${AWS::Region}", "é" * 50, "y" * 400, '"\\'], ["y" * 2048]),
    st.builds(lambda text: {"prefix": text}, _names),
    st.just({"exists": False}),
)
_patterns = st.dictionaries(
    st.sampled_from(["source", "detail-type", "resources"]), st.lists(_matchers, min_size=1, max_size=6), min_size=1
)
_topics = _mostly(
    ["arn:aws:sns:eu-central-1:123456789012:a", "arn:aws:sns:${AWS::Region}:${AWS::AccountId}:a-${Name}"],
    ["arn:aws:sns:us-east-1:123456789012:" + "t" * 257, "topic"],
)


_zones = _mostly(["UTC", "Europe/Berlin", "${Zone}"], ["Berlin", "${Name}"])


def _words(*words: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(words) | st.lists(st.sampled_from(words), min_size=1, max_size=9)


_whens = st.one_of(
    st.builds(
        lambda bucket, more: {"s3": {"bucket": bucket, **more}},
        _mostly(["raw", "${Bucket}"], ["B", "b" * 64]),
        _maybe(key=_keys),
    ),
    st.builds(
        lambda status, more: {"endpoint": {"status": status, **more}},
        _words("in-service", "FAILED", "UpdateRollbackFailed"),
        _maybe(name=_names),
    ),
    st.builds(lambda name: {"drift": {"monitoring_schedule": name}}, _names),
    st.builds(
        lambda status, more: {"training_job": {"status": status, **more}},
        _words("completed", "Failed"),
        _maybe(name=_names),
    ),
    st.builds(
        lambda approval, more: {"model_package": {"approval": approval, **more}},
        _words("approved", "Rejected"),
        _maybe(group=_names),
    ),
    st.builds(
        lambda name, status: {"pipeline": {"name": name, "status": status}},
        _mostly(["other", "other-${Name}", "other-*", "o" * 256], ["*", "é"]),
        _words("succeeded", "FAILED"),
    ),
    st.builds(lambda name, state: {"alarm": {"name": name, "state": state}}, _names, _words("OK", "alarm")),
    st.builds(lambda topic: {"sns": {"topic": topic}}, _topics),
    st.builds(
        lambda rate, more: {"schedule": {"rate": rate, **more}},
        _mostly(["1 day", "5 minutes", "${Often}"], ["1 days", "0 minutes", "${Nope}"]),
        _maybe(
            timezone=_zones,
            start=_mostly(["2190-01-01T00:00:00+14:00"], ["2190-01-01T00:00:00", "${Name}"]),
            end=_mostly(["2190-01-01T00:00:00Z"], ["2189-01-01T00:00:00Z"]),
            jitter=_mostly([1, "1440"], [0, 1441]),
        ),
    ),
    st.builds(
        lambda cron, zone: {"schedule": {"cron": cron, "timezone": zone}},
        _mostly(["0 2 * * ? *", "0  2 ? *\tMON-FRI,${Day} *", "0/15 20-2 L-3 JAN ? 2030"], ["0 2 * * *"]),
        _zones,
    ),
    st.builds(
        lambda at, zone: {"schedule": {"at": at, "timezone": zone}},
        _mostly(["2190-03-25T02:30:00"], ["2190-03-25", "2190-03-25T02:30:00Z"]),
        _zones,
    ),
    st.builds(
        lambda pattern, more: {"event": {"pattern": pattern, **more}},
        _patterns,
        _maybe(bus=_mostly(["shop", "${Name}-bus"], ["é"])),
    ),
)
_tags = st.dictionaries(
    _mostly(["team", "é:/=+@-._ ", "k" * 128], ["k" * 129, "k" * 128 + "\n", "aws:x", "#"]),
    _mostly(["", "1.10", "v" * 256, "é"], ["v" * 257, "${Name}"]),
    max_size=3,
)
_options = _maybe(
    description=_mostly(["Why", "d" * 512, "${Name} ${this} é'\"\n{{}}"], ["d" * 513]),
    enabled=st.booleans(),
    dry_run=st.booleans(),
    max_starts=_mostly([1, 999_999_999], [0]),
    display_name=_values,
    max_parallel_steps=_mostly([1], ["x"]),
    mlflow_experiment=_values,
    dedupe=_mostly(["$.id", "{% id & '${Name}' %}"], ["x"]),
    **{"if": _mostly(["{% true %}", "{% id = '${Name}' %}"], ["true"])},
)


@st.composite
def _triggers(draw: st.DrawFn) -> dict[str, Any]:
    """Draw one trigger; what goes with another source now and then makes it wrong."""
    trigger: dict[str, Any] = dict(draw(_options))
    if draw(st.integers(0, 6)) == 0:  # publishers' requests
        trigger |= {
            "when": {"sns": {}},
            "start_one_of": draw(st.lists(_pipelines, min_size=1, max_size=4, unique=True)),
        }
        trigger |= {"parameters": draw(_parameters), "accept": {"A": draw(_keys), "B": ["x", "${Name}", "é"]}}
        return trigger
    trigger["when"] = draw(_whens)
    if not {"sns", "schedule"} & trigger["when"].keys():
        trigger["tags"] = draw(_tags)
    if draw(st.integers(0, 4)) == 0:  # past the handlers; what needs one now and then makes it wrong
        needs_a_handler = {"if", "dedupe", "max_starts", "dry_run", "display_name", "max_parallel_steps"}
        for name in [*needs_a_handler, "mlflow_experiment"] if draw(st.integers(0, 9)) else []:
            trigger.pop(name, None)
        parameters = draw(st.dictionaries(_parameter_names, _values | _sent_directly, max_size=2))
        return trigger | {"delivery": "direct", "start": draw(_pipelines), "parameters": parameters}
    if draw(st.booleans()):
        return trigger | {"start": draw(_pipelines), "parameters": draw(_parameters)}
    return trigger | {"start": draw(st.dictionaries(_pipelines, _parameters, min_size=1, max_size=5))}


_teams = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "owner": st.just("é"),
        "pipelines": st.just(["*"]),
        "triggers": st.dictionaries(
            _mostly(["one", "two", "a-b", "t" * 64, "0"], ["A", "t" * 65, "one\n", "é"]),
            _triggers(),
            min_size=1,
            max_size=4,
        ),
    }
)


def _loaded(teams: Mapping[str, Any], stages: Mapping[str, Mapping[str, str]]) -> Documents | None:
    """Write documents and load them; None when they are refused, and the refusal says all that it must."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        for name, data in {"stages": stages, **teams}.items():
            text = yaml.safe_dump(json.loads(json.dumps(data)), allow_unicode=True, sort_keys=False)
            (directory / f"{name}.yaml").write_text(text, encoding="utf-8")
        try:
            return loader.load(directory)
        except DocumentsError as error:
            problems = error.problems
        assert problems
        for problem in problems:
            assert Path(problem.file).parent == directory
            assert 1 <= problem.line <= Path(problem.file).read_text(encoding="utf-8").count("\n") + 1
            assert problem.message
            # What is said of a whole file has no field.
            assert problem.field or problem.line == 1
        return None


OWN_TOPIC = "arn:aws:sns:eu-central-1:123456789012:requests"


def _substituted(value: Any, stack: Mapping[str, Any], stage: str) -> Any:
    """Write a value of the stack as CloudFormation does when it deploys a stage."""
    match value:
        case {"Ref": "RequestsTopicArn"}:
            return OWN_TOPIC
        case {"Ref": str(name)}:
            return stage if name == "Stage" else PSEUDO_PARAMETERS.get(name, f"<{name}>")
        case {"Fn::FindInMap": arguments}:
            mapping, key, name = (_substituted(argument, stack, stage) for argument in arguments)
            return stack["Mappings"][mapping][key][name]
        case {"Fn::Sub": [str(text), dict(values)]}:
            given = {name: _substituted(found, stack, stage) for name, found in values.items()}
            known = {**PSEUDO_PARAMETERS, "ScheduleGroup": "<ScheduleGroup>", "StackName": "<StackName>"}
            return re.sub(r"\$\{([^!}]+)\}", lambda found: {**known, **given}[found[1]], text)
        case {"Fn::Sub": str(text)}:
            return _substituted({"Fn::Sub": [text, {}]}, stack, stage)
        case {"Fn::Select": [int(at), items]}:
            return _substituted(items, stack, stage)[at]
        case {"Fn::Split": [":", {"Ref": str(queue)}]}:
            return ["arn", "aws", "sqs", "eu-central-1", "123456789012", queue]
        case {"Fn::Split": [str(separator), text]}:
            return _substituted(text, stack, stage).split(separator)
        case dict():
            return {name: _substituted(item, stack, stage) for name, item in value.items()}
        case list():
            return [_substituted(item, stack, stage) for item in value]
        case _:
            return value


def _resolved(value: Any, values: Mapping[str, str]) -> Any:
    match value:
        case str():
            return resolve(value, values)
        case dict():
            return {name: item if name == "description" else _resolved(item, values) for name, item in value.items()}
        case list() | tuple():
            return [_resolved(item, values) for item in value]
        case _:
            return value


def _schedules_hold(loaded: Documents, found: Mapping[str, Any], policies: Mapping[str, list[str]]) -> None:
    """Hold the schedules of one stage against the limits of Scheduler's own service model."""
    triggers = []
    for schedule in found.values():
        properties = schedule["Properties"]
        target = properties["Target"]
        assert sorted(schedule["DependsOn"]) == sorted(policies["OnEvent" if "Input" in target else "DirectSchedules"])
        request = {**properties, "Name": "n", "GroupName": "g", "Target": _with_arns(target)}
        for name in ("StartDate", "EndDate"):
            if name in request:
                assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", request[name])
                request[name] = datetime.datetime.fromisoformat(request[name])
        _fits(request, "CreateScheduleInput", "scheduler")
        if "Input" not in target:
            triggers.append(properties["Description"].partition(":")[0])
            continue
        sent = json.loads(target["Input"])
        assert sent["event"]["account"] == PSEUDO_PARAMETERS["AWS::AccountId"]
        assert sent["event"]["detail"]["timezone"] == properties.get("ScheduleExpressionTimezone", "UTC")
        triggers.append(sent["trigger"])
    assert sorted(triggers) == sorted(trigger.id for trigger in loaded.triggers if trigger.when.source == "schedule")


def _with_arns(target: Any) -> Any:
    """Write ARNs for what the stack is handed."""
    role = "arn:aws:iam::123456789012:role/r"
    target = {**target, "RoleArn": role} if "RoleArn" in target else target
    text = json.dumps(target)
    return json.loads(re.sub(r"<(\w+Queue)Arn>", r"arn:aws:sqs:eu-central-1:123456789012:\1", text))


def _fits(value: Any, shape: str, service: str) -> None:
    """Hold a request against a service model in full: botocore itself checks no pattern and no maximum."""
    _fits_shape(value, _service_model(service).shape_for(shape), shape)


@cache
def _service_model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"))


def _fits_shape(value: Any, shape: Any, way: str) -> None:
    kind, limits = shape.type_name, shape.metadata
    size = value if kind in ("integer", "long") else len(value) if kind in ("string", "list") else None
    if size is not None:
        assert limits.get("min", size) <= size <= limits.get("max", size), way
    match kind:
        case "structure":
            assert value.keys() <= shape.members.keys(), way
            assert set(shape.required_members) <= value.keys(), way
            for name, member in value.items():
                _fits_shape(member, shape.members[name], f"{way}.{name}")
        case "list":
            for item in value:
                _fits_shape(item, shape.member, f"{way}[]")
        case "string":
            assert "pattern" not in limits or re.fullmatch(limits["pattern"], value), (way, value)
            assert not shape.enum or value in shape.enum, way


def _holds_in_stage(loaded: Documents, stack: Mapping[str, Any], stage: str) -> None:
    """Hold one stage's resources against AWS's limits, and against what the documents say."""
    values = {**loaded.stages[stage], **PSEUDO_PARAMETERS}
    resources = _substituted(stack["Resources"], stack, stage)
    by_kind: dict[str, dict[str, Any]] = {}
    for name, resource in resources.items():
        assert re.fullmatch(r"[A-Za-z0-9]{1,255}", name)
        by_kind.setdefault(resource["Type"], {})[name] = resource
    policies = by_kind.get("AWS::IAM::ManagedPolicy", {})
    direct = [name for name in ("DirectRules", "DirectSchedules") if f"{name}Role" in resources]
    starters = (*HANDLERS, BATCHES)
    roles = {f"{name}Role": name for name in direct} | {f"{handler}RoleName": handler for handler in starters}
    of_handler = {
        handler: [name for name, found in policies.items() if found["Properties"]["Roles"] == [f"<{role}>"]]
        for role, handler in roles.items()
    }
    assert set(direct) == {starter(trigger) for trigger in loaded.triggers if trigger.direct}
    assert sum(map(len, of_handler.values())) == len(policies)
    for handler, names in of_handler.items():
        granted: list[str] = []
        for name in names:
            document = policies[name]["Properties"]["PolicyDocument"]
            assert len(json.dumps(document, separators=(",", ":"))) <= 6144
            (statement,) = document["Statement"]
            if "sagemaker:StartPipelineExecution" in statement["Action"]:
                granted += statement["Resource"]
        arn = resolve("arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/", PSEUDO_PARAMETERS)
        started = {
            resolve(target.pipeline, values)
            for trigger in loaded.triggers
            if (not trigger.direct if handler == BATCHES else starter(trigger) == handler)
            for target in trigger.start
        }
        assert set(granted) == {arn + spelling for name in started for spelling in (name, name.lower())}
    rules = by_kind.get("AWS::Events::Rule", {})
    by_rule = [trigger.id for trigger in loaded.triggers if trigger.when.source not in ("sns", "schedule")]
    assert len(rules) == len(by_rule)
    triggers, directly = [], set()
    for rule in rules.values():
        properties = rule["Properties"]
        assert len(properties["Description"]) <= 512
        assert len(json.dumps(properties["EventPattern"], separators=(",", ":"), ensure_ascii=False)) <= 2048
        assert len(properties.get("Tags", [])) <= 50
        for tag in properties.get("Tags", []):
            assert 1 <= len(tag["Key"]) <= 128
            assert len(tag["Value"]) <= 256
        assert 1 <= len(properties["Targets"]) <= 5
        for target in properties["Targets"]:
            _fits(_with_arns(target), "Target", "events")
            if "InputTransformer" not in target:
                directly.add(properties["Description"].partition(":")[0])
                assert sorted(rule["DependsOn"]) == sorted(of_handler["DirectRules"])
                continue
            template = target["InputTransformer"]["InputTemplate"]
            assert len(template) <= 8192
            triggers.append(json.loads(template.replace("<aws.events.event.json>", "{}"))["trigger"])
            handler = target["Arn"].removeprefix("<").removesuffix("QueueArn>")
            assert sorted(rule["DependsOn"]) == sorted(of_handler[handler])
    assert sorted([*triggers, *directly]) == sorted(by_rule)
    _schedules_hold(loaded, by_kind.get("AWS::Scheduler::Schedule", {}), of_handler)
    subscriptions = by_kind.get("AWS::SNS::Subscription", {})
    topics = Counter(subscription["Properties"]["TopicArn"] for subscription in subscriptions.values())
    assert all(count == 1 for count in topics.values())
    assert topics.keys() == {OWN_TOPIC} | {
        resolve(trigger.when.fields["topic"], values)
        for trigger in loaded.triggers
        if trigger.enabled and "topic" in trigger.when.fields
    }
    (queue_policy,) = by_kind["AWS::SQS::QueuePolicy"].values()
    allow, _ = queue_policy["Properties"]["PolicyDocument"]["Statement"]
    assert sorted(allow["Condition"]["ArnEquals"]["aws:SourceArn"]) == sorted(topics)
    for subscription in subscriptions.values():
        assert sorted(subscription["DependsOn"]) == sorted([*of_handler["OnSnsMessage"], "OnSnsMessageQueuePolicy"])


def _holds(loaded: Documents) -> str:
    """Compile, hold every stage against the limits, and return the stack's text."""
    compiled = compiler.compile_documents(loaded)
    text = compiled["stack.yaml"]
    stack = yaml.safe_load(text)
    assert len(text.encode()) <= 1_000_000
    assert 1 <= len(stack["Resources"]) <= 500
    assert stack["Parameters"]["Stage"]["AllowedValues"] == list(loaded.stages)
    for stage in loaded.stages:
        _holds_in_stage(loaded, stack, stage)
        values = {**loaded.stages[stage], **PSEUDO_PARAMETERS}
        found = triggers_json.load(compiled["triggers.json"], stage, PSEUDO_PARAMETERS)
        expected = {trigger.id: _resolved(asdict(trigger), values) for trigger in loaded.triggers}
        assert {name: json.loads(json.dumps(asdict(trigger))) for name, trigger in found.items()} == expected
    return text


@_examples(1.5)
@given(
    st.dictionaries(_mostly(["a", "a-b", "t" * 60], ["A", "a b"]), _teams, min_size=1, max_size=2),
    st.sampled_from([STAGES, {"dev": STAGES["dev"]}, {f"s{n}": STAGES["dev"] for n in range(3)}]),
)
def test_accepted_documents_fit_aws_in_every_stage(teams: dict[str, Any], stages: dict[str, Any]) -> None:
    """Names, sizes, grants and the handlers' catalog are right once CloudFormation has put a stage's values in."""
    if loaded := _loaded(teams, stages):
        _holds(loaded)


def _document(*triggers: Mapping[str, Any]) -> dict[str, Any]:
    named = {f"t{number}": trigger for number, trigger in enumerate(triggers)}
    return {"version": 1, "owner": "o", "pipelines": ["*"], "triggers": named}


@CFN_LINT
@pytest.mark.parametrize(
    "team",
    [
        _document(
            {"when": {"s3": {"bucket": "${Bucket}", "key": "${Name}/é'\"*"}}, "start": "T-${Name}", "tags": {"é": ""}},
            {"when": {"drift": {"monitoring_schedule": "*"}}, "start": {"a": {}, "b-${Name}": {"A": "x\ny"}}},
        ),
        _document(
            {"when": {"sns": {"topic": "arn:aws:sns:${AWS::Region}:123456789012:a-${Name}"}}, "start": "train"},
            {"when": {"sns": {}}, "start_one_of": ["a", "${Name}"], "accept": {"A": "s3://**"}},
            {"when": {"pipeline": {"name": "other-${Name}*", "status": "failed"}}, "start": "p" * 256},
        ),
        _document(
            *(
                {
                    "when": {"event": {"pattern": {"source": ["${Long}"]}, "bus": "${Name}"}},
                    "start": f"p{n}" + "p" * 250,
                }
                for n in range(30)
            ),
            {"when": {"alarm": {"name": "a", "state": "alarm"}}, "start": "x", "description": "d" * 512},
        ),
        _document(
            {"when": {"schedule": {"cron": "0 2 ? * ${Day} *", "timezone": "${Zone}"}}, "start": "x"},
            {
                "when": {"schedule": {"rate": "${Often}", "start": "2190-01-01T00:00:00+01:00", "jitter": 5}},
                "start": {"x": {"A": "{% $scheduled.date %}"}, "y": {}},
            },
            {"when": {"schedule": {"at": "2190-01-01T00:00:00", "timezone": "UTC"}}, "start": "x", "enabled": False},
        ),
        _document(
            {
                "when": {"s3": {"bucket": "${Bucket}", "key": "in/**"}},
                "delivery": "direct",
                "start": {"T-${Name}": {"Key": "$.detail.object.key", "Fixed": "${Odd}"}, "x": {}},
            },
            {"when": {"event": {"pattern": {"source": ["a"]}, "bus": "b"}}, "delivery": "direct", "start": "x"},
            {
                "when": {"schedule": {"rate": "1 day"}},
                "delivery": "direct",
                "start": "T-${Name}",
                "parameters": {"A_b": "{% $scheduled.time %}", "B": "<aws.scheduler.execution-id>"},
            },
        ),
    ],
)
def test_cloudformation_accepts_accepted_documents(team: dict[str, Any]) -> None:
    """cfn-lint knows CloudFormation's schemas."""
    loaded = _loaded({"team": team}, STAGES)
    assert loaded
    assert findings(_holds(loaded)) == []


@pytest.mark.parametrize("length", [2044, 2045, 2046, 2048])
def test_a_pattern_that_grows_with_the_region_fits_in_every_region(length: int) -> None:
    """What passes is short enough where the Region's name is longest."""
    pattern = {"source": ["x" * (length - len('{"source":["","eu-central-1"]}')), "${AWS::Region}"]}
    loaded = _loaded({"t": _document({"when": {"event": {"pattern": pattern}}, "start": "p"})}, {"dev": {}})
    assert (loaded is not None) == (length <= 2045)
    if loaded:
        _holds(loaded)


# ---- Expressions

_HOSTILE: list[Any] = [
    *("a" * 100_000, "a/" * 50_000, "é😀" * 20_000, "0x" + "f" * 20_000, "9" * 400, "", " ", "'\"\\\n\r\x00", "\ud800"),
    *(
        "1e999",
        "nan",
        "inf",
        "-0",
        "2026-11-01",
        "2026-11-01T04:12:09",
        "24:00",
        "[Y]",
        "$0$1$$",
        "{% 1 %}",
        "$.x",
        "%ff",
    ),
    *(0, -1, 1.5, -0.0, 10**300, -(10**4000), 2**63, 1e308, 5e-324, True, False, None),
    *([], {}, [[]], [None], [[], [[]]], [1] * 10_000, ["x"] * 10_000, list(range(10_000)), [[1]] * 5_000),
    {"k": 1, "__proto__": {"a": 1}, "$": "x", "": 0, "\ud800": 1, "a.b": [1]},
    [{"k": "x", "v": 1}, {"k": "y"}, {"v": None}, 5],
    [{"k": "a", "v": number} for number in range(5_000)],
    {str(number): [number] for number in range(5_000)},
]


def _deep(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found] if depth % 2 else {"k": found}
    return found


_hostile = st.sampled_from([*_HOSTILE, _deep(99), _deep(400), _deep(20_001)]) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["k", "v", "$", "", "__proto__"]), inner, max_size=3)
    ),
    max_leaves=6,
)

_leaves = st.sampled_from(
    [
        "a",
        "b",
        "a",
        "b",
        "c",
        "a.k",
        "b.v",
        "c.k",
        "$.a",
        "$$",
        "$$.b",
        "$v",
        "$w",
        "$job",
        "$job.name",
        "time",
        "detail",
        "*",
        "**",
        "a.*",
        "b.**",
        "$",
        "0",
        "1",
        "-1",
        "1e3",
        "0.5",
        "1e308",
        "''",
        "'a'",
        "'/'",
        "'x'",
        "'$0$0'",
        "'é'",
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[1..5]",
        "[0..1000]",
        "a[0]",
        "b[-1]",
        "a[k='x']",
        "b[v>1].k",
        "`a.b`",
        "a[]",
        "nope",
    ]
)
_short = st.sampled_from(
    ["'a'", "'/'", "''", "'$0$0'", "5", "-7", "100", "'0.0'", "'#,##0.00'", "'[Y0001]-[M01]'", "'[H,9-99999]'"]
)
_HIGHER = {"each", "filter", "map", "reduce", "sift", "single", "sort"}
_ordinary = sorted(rules.FUNCTIONS - _HIGHER)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(
        ["&", "+", "-", "*", "/", "%", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in", "~>", "."]
    )
    functions = st.sampled_from(_ordinary)
    higher = st.sampled_from(sorted(_HIGHER))
    return st.one_of(
        st.builds("({} {} {})".format, inner, operators, inner),
        st.builds("${}({})".format, functions, inner),
        st.builds("${}({}, {})".format, functions, inner, inner | _short),
        st.builds("${}({}, {}, {})".format, functions, inner, _short, _short),
        st.builds("({} ~> ${}({}))".format, inner, functions, _short | inner),
        st.builds("{}.${}({})".format, inner, functions, _short | inner),
        st.builds("${}({}, function($v, $w) {{ {} }})".format, higher, inner, inner),
        st.builds("${}({}, function($v, $i, $w) {{ {} }})".format, higher, inner, inner),
        st.builds("${}({}, ${})".format, higher, inner, functions),
        st.builds("$reduce({}, function($v, $w) {{ {} }}, {})".format, inner, inner, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("($v := {}; $w := {}; {})".format, inner, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{{'k': {}, 'v': {}}}".format, inner, inner),
        st.builds("{}{{$string({}): {}}}".format, inner, inner, inner),
        st.builds("{}^(>{}, {})".format, inner, inner, inner),
        st.builds("{}.({})".format, inner, inner),
    )


_sources = st.one_of(
    st.recursive(_leaves, _larger, max_leaves=8).map("{{% {} %}}".format),
    st.recursive(_leaves, _larger, max_leaves=3).map("{{% $string({}) %}}".format),
    st.sampled_from(
        ["$.detail.a", "$.detail.*", "$.detail.b[0]", "$.detail.b[*].k", "$.detail.b.k[1]", "literal", "$5"]
    ),
)


def _passing(sources: list[str]) -> list[str]:
    return [source for source in sources if value_check.check(source, None) is None]


def _occurrence(a: Any, b: Any, c: Any) -> Occurrence:
    detail = {"TrainingJobName": a, "TrainingJobStatus": "Completed", "a": a, "b": b, "c": c}
    kind = "SageMaker Training Job State Change"
    event = {"id": "e", "detail-type": kind, "time": "2026-11-01T04:12:09Z", "detail": detail, "a": a, "b": b, "c": c}
    return eventbridge.read(event, "training_job")


class _Watched(Budget):
    """Sees that nothing goes on once the budget is spent."""

    def spend(self, work: int) -> None:
        assert self.spent <= BUDGET
        assert work >= 0
        super().spend(work)


def _outcome(trigger: Trigger, occurrence: Occurrence) -> Run | str:
    try:
        # What was made of it for the trigger before, and the budget, are gone.
        run = plan(trigger, 0, replace(occurrence, memo={}), "stack")
    except Rejected as rejected:
        return str(rejected)
    for value in run.parameters.values():
        assert isinstance(value, str)
        assert 1 <= len(value) <= 1024
        assert value.encode("utf-8")
    assert re.fullmatch(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,81}", run.options["PipelineExecutionDisplayName"])
    return run


@_examples(0.6)
@given(st.lists(_sources, min_size=3, max_size=6), _hostile, _hostile, _hostile)
def test_a_plan_is_a_run_or_a_rejection_and_always_the_same(sources: list[str], a: Any, b: Any, c: Any) -> None:
    """On any event, within the budget, whatever the clock says and whatever was planned before."""
    occurrence = _occurrence(a, b, c)
    triggers = [
        Trigger(
            f"t/t{number}",
            When("training_job", {"status": ["Completed"]}),
            (Start("p", {"A": source}),),
            dedupe=source if number == 1 and value_check.check_key(source, None) is None else None,
            options=Options(display_name=source if number == 2 else None),
        )
        for number, source in enumerate(_passing(sources))
    ]
    with mock.patch.object(jsonata, "Budget", _Watched):
        first = [_outcome(trigger, occurrence) for trigger in triggers]
        compile_expression.cache_clear()
        with mock.patch.object(time, "time", return_value=946684798.0):
            again = [_outcome(trigger, occurrence) for trigger in reversed(triggers)]
    assert again[::-1] == first


@_examples(0.6)
@given(_sources, _hostile, _hostile, _hostile)
def test_a_condition_holds_or_not_or_rejects(source: str, a: Any, b: Any, c: Any) -> None:
    """An ``if`` gives a boolean, or the event is rejected; nothing else comes out of it."""
    if value_check.check_condition(source, None) is None:
        try:
            assert values.holds(source, _occurrence(a, b, c)) in (True, False)
        except Rejected:
            return


# ---- Requests

_TOPIC = "arn:aws:sns:eu-central-1:123456789012:requests"
_OPEN = Trigger(
    "t/open",
    When("sns", {}),
    (
        Start("train", {"Fixed": "fixed", "Who": "{% $message.topic %}"}),
        Start("report", {"Fixed": "fixed", "Who": "{% $message.topic %}"}),
    ),
    one_of=True,
    accept={"Url": "s3://raw/**", "Size": ["small", "{% 1 %}", "5"], "Free": "**"},
)
_BY_ID = {
    trigger.id: trigger
    for trigger in (
        _OPEN,
        replace(_OPEN, id="t/all", one_of=False),
        replace(_OPEN, id="t/off", enabled=False),
        replace(_OPEN, id="t/other", when=When("sns", {"topic": f"{_TOPIC}-other"})),
        replace(_OPEN, id="t/s3", when=When("s3", {"bucket": "raw"})),
    )
}
_asked_values = st.one_of(
    st.sampled_from(
        ["small", "5", 5, 5.0, "s3://raw/a/b", "s3://raw", "s3://ra/x", "s3://raw/../x", "S3://raw/a", "s3://raw/"]
    ),
    st.sampled_from(
        ["{% 1 %}", "$.x", "{% $message.id %}", "$.Message.trigger", "${Name}", "", "x" * 1025, "\ud800", "a\n"]
    ),
    st.sampled_from([True, None, [], ["small"], {"a": 1}, 10**80, 1e300, -0.0, "é" * 1024]),
    st.text(max_size=5),
)
_requests = st.fixed_dictionaries(
    {},
    optional={
        "trigger": _mostly(["t/open"], ["t/all", "t/off", "t/other", "t/s3", "t/nope", "", 5, None, ["t/open"]]),
        "pipeline": _mostly(
            ["train", "report"], ["Train", "train ", "other", "", None, 1, "arn:aws:sagemaker:r:1:pipeline/train", "*"]
        ),
        "parameters": st.dictionaries(
            _mostly(["Url", "Size", "Free"], ["Fixed", "Who", "url", "RoleArn", "", "é"]), _asked_values, max_size=3
        )
        | st.sampled_from([None, [], "Url", 5]),
        "dedupe": _mostly(["key"], ["", 5, None, "{% 1 %}", "\ud800"]),
        "RoleArn": st.sampled_from(["arn:aws:iam::1:role/admin", ""]),
    },
).map(lambda drawn: drawn if len(drawn) < 5 else {name: drawn[name] for name in drawn if name != "RoleArn"})


@st.composite
def _messages(draw: st.DrawFn) -> str:
    """Draw what a publisher sends: mostly nearly right, sometimes with a key twice or with no JSON at all."""
    request_body = {"trigger": "t/open", "pipeline": "train", **draw(_requests)}
    for name in (
        draw(st.sets(st.sampled_from(sorted(request_body)), max_size=1)) if draw(st.integers(0, 5)) == 0 else ()
    ):
        del request_body[name]
    text = json.dumps(request_body)
    match draw(st.integers(0, 20)):
        case 0:
            return text.replace("{", '{"pipeline": "report", ', 1)
        case 1:
            return draw(
                st.sampled_from(["", "[]", "null", "5", '"x"', "{", "[" * 100_000, "1" * 200, "NaN", text + "}"])
            )
        case 2:
            return json.dumps(json.loads(text), indent=1).replace(":", "\t:")
    return text


@_examples(4)
@given(_messages(), st.sampled_from([_TOPIC, _TOPIC, _TOPIC, f"{_TOPIC}-other", ""]), st.sampled_from([_TOPIC, None]))
def test_a_request_starts_only_what_the_document_lets_it(message: str, topic: str, own: str | None) -> None:
    """One of its pipelines, with accepted parameters as they were sent, and the document's own for all else."""
    notification = {"Type": "Notification", "MessageId": "m", "TopicArn": topic, "Message": message}
    try:
        arrivals = from_topic(own, json.dumps(notification), _BY_ID)
    except Rejected:
        return
    for arrival in arrivals:
        trigger = _BY_ID.get(arrival.trigger)
        try:
            occurrence = arrival.occurrence()
            if trigger is None:
                continue
            runs = [plan(trigger, at, occurrence, "stack") for at in requests.targets(trigger, occurrence)]
        except (Filtered, Rejected):
            continue
        if occurrence.request is None:
            assert topic == trigger.when.fields["topic"]
            continue
        assert trigger.id in ("t/open", "t/all")
        request_body = json.loads(message)
        assert request_body.keys() <= {"trigger", "pipeline", "parameters", "dedupe"}
        sent = {name: values.spell(name, value) for name, value in request_body.get("parameters", {}).items()}
        assert [run.pipeline for run in runs] == ([request_body["pipeline"]] if trigger.one_of else ["train", "report"])
        for run in runs:
            assert run.parameters == {"Fixed": "fixed", "Who": topic, **sent}
        for name, value in sent.items():
            accepted = trigger.accept[name]
            assert globs.matches(accepted, value) if isinstance(accepted, str) else value in accepted
