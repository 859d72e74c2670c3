"""``delivery: direct``: what is refused, and what is compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pipeline_triggers.cli import main
from pipeline_triggers.compile import stack as compiler
from pipeline_triggers.documents import loader, loops
from pipeline_triggers.documents.direct import value_problem
from pipeline_triggers.documents.loader import Documents
from pipeline_triggers.documents.section import EXAMPLES
from pipeline_triggers.errors import DocumentsError
from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Start, Trigger, When

# Line 6 on is what a test puts in.
HEAD = 'version: 1\nowner: team\npipelines: ["*"]\ntriggers:\n  one:\n'
RULE = "    when: {s3: {bucket: raw}}\n    delivery: direct\n"
SCHEDULE = "    when: {schedule: {rate: 1 day}}\n    delivery: direct\n"


def problems(directory: Path, trigger: str) -> list[str]:
    """Return the problems of a document with this trigger, without its file and the trigger's name."""
    (directory / "stages.yaml").write_text("dev: {Name: x}\n")
    (directory / "team.yaml").write_text(HEAD + trigger)
    try:
        loader.load(directory)
    except DocumentsError as error:
        return [f"{problem.field.removeprefix('triggers.one.')}: {problem.message}" for problem in error.problems]
    return []


def stack(*triggers: Trigger) -> dict[str, Any]:
    """Return the compiled resources."""
    return dict(yaml.safe_load(compiler.compile_documents(Documents(triggers, {"dev": {}}))["stack.yaml"])["Resources"])


# ---- what is refused


@pytest.mark.parametrize(
    "trigger",
    [
        RULE + "    start: p\n    parameters: {A: text, B-1: $.detail.object.key, C: '$.resources[0]', D: '${Name}'}\n",
        RULE + "    start: {a: {A: x}, b: {}, c: {}, d: {}, e: {}}\n    tags: {team: x}\n    enabled: false\n",
        "    when: {s3: {bucket: raw, key: in/**}}\n    delivery: direct\n    start: p\n",
        '    when: {s3: {bucket: raw, key: "**"}}\n    delivery: direct\n    start: p\n',
        "    when: {training_job: {name: churn-*, status: failed}}\n    delivery: direct\n    start: p\n",
        "    when: {pipeline: {name: Churn-*, status: failed}}\n    delivery: direct\n    start: p\n",
        "    when: {event: {pattern: {source: [acme]}, bus: shop}}\n    delivery: direct\n    start: p\n",
        SCHEDULE + "    start: p\n    parameters: {A_b: '{%$scheduled.time%}', B: '{% $scheduled.arn %}', C: $5}\n",
        SCHEDULE + "    start: {p: {A: <aws.scheduler.execution-id>, B: no <aws.scheduler.attempt-number>}}\n",
        "    when: {sns: {}}\n    delivery: queue\n    start: p\n    max_starts: 5\n",
    ],
)
def test_a_target_s_values_are_accepted(tmp_path: Path, trigger: str) -> None:
    """Literals, JSONPath on a rule, what Scheduler fills in; names that a rule matches whole or by their beginning."""
    assert problems(tmp_path, trigger) == []


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        (
            "    when: {sns: {}}\n    delivery: direct\n    start: p\n",
            "delivery: can't be direct for sns: a topic can't start a pipeline; remove it",
        ),
        (
            "    when: {drift: {monitoring_schedule: m}}\n    delivery: direct\n    start: p\n",
            "delivery: can't be direct for drift: the event does not say what the monitor found; remove it",
        ),
        (
            "    when: {s3: {bucket: raw, key: in/*/x.csv}}\n    delivery: direct\n    start: p\n",
            "when.s3.key: can't be matched directly: a rule matches a whole name, or one with ** at its end; "
            "write such a name, or remove delivery: direct",
        ),
        (
            "    when: {s3: {bucket: raw, key: in/*}}\n    delivery: direct\n    start: p\n",
            "when.s3.key: can't be matched directly: a rule matches a whole name, or one with ** at its end; "
            "write such a name, or remove delivery: direct",
        ),
        (
            '    when: {endpoint: {name: "*-prod", status: failed}}\n    delivery: direct\n    start: p\n',
            "when.endpoint.name: can't be matched directly: a rule matches a whole name, or one with * at its end; "
            "write such a name, or remove delivery: direct",
        ),
        (
            RULE + '    start: p\n    parameters: {A: "{% $object.uri %}"}\n',
            "parameters.A: '{% $object.uri %}' is computed, but EventBridge only copies values from the event; "
            "write $.a.b, or remove delivery: direct",
        ),
        (
            RULE + "    start: p\n    parameters: {A: '$.resources[*]'}\n",
            "parameters.A: '$.resources[*]' may give several values; name one, as in [0], or remove delivery: direct",
        ),
        (
            RULE + "    start: p\n    parameters: {A: $5}\n",
            "parameters.A: '$5' looks like a path to EventBridge; write another text, or remove delivery: direct",
        ),
        (
            RULE + "    start: p\n    parameters: {A_b: x}\n",
            "parameters.A_b: can't be sent directly: EventBridge only accepts names of letters, digits and inner dashes"
            "; rename it, or remove delivery: direct",
        ),
        (
            RULE + "    start: {p: {A-: x}}\n",
            "start.p.A-: can't be sent directly: EventBridge only accepts names of letters, digits and inner dashes"
            "; rename it, or remove delivery: direct",
        ),
        (
            RULE + "    start: p\n    parameters: {A: ''}\n",
            "parameters.A: is empty, and SageMaker refuses empty values; leave the parameter out to use its default",
        ),
        (
            SCHEDULE + f"    start: p\n    parameters: {{A: {'x' * 1025}}}\n",
            f"parameters.A: '{'x' * 77}…' has 1025 characters; SageMaker takes 1024 at most",
        ),
        (
            SCHEDULE + "    start: p\n    parameters: {A: $.time}\n",
            "parameters.A: '$.time' is computed, but Scheduler only knows {% $scheduled.time %} and "
            "{% $scheduled.arn %}; write one of them, or remove delivery: direct",
        ),
        (
            SCHEDULE + '    start: p\n    parameters: {A: "{% $scheduled.date %}"}\n',
            "parameters.A: '{% $scheduled.date %}' is computed, but Scheduler only knows {% $scheduled.time %} "
            "and {% $scheduled.arn %}; write one of them, or remove delivery: direct",
        ),
        (
            SCHEDULE + "    start: {p: {A: at <aws.scheduler.scheduled_time>}}\n",
            "start.p.A: 'at <aws.scheduler.scheduled_time>' has <aws.scheduler.scheduled_time>, which Scheduler does "
            "not fill in; did you mean scheduled-time?",
        ),
        (
            "    when: {schedule: {rate: 1 day}}\n    start: {p: {A: <aws.scheduler.scheduled-time>}}\n",
            "start.p.A: '<aws.scheduler.scheduled-time>' is only filled in with delivery: direct; "
            "write {% $scheduled.time %}",
        ),
        (
            SCHEDULE + "    start: {a: {}, b: {}}\n",
            "start: names several pipelines, but a schedule starts one; write a trigger for each, "
            "or remove delivery: direct",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    delivery: fast\n    start: p\n",
            "delivery: is 'fast'; write direct, or leave it out",
        ),
    ],
)
def test_unsupported_direct_delivery_is_refused_with_the_reason(tmp_path: Path, trigger: str, problem: str) -> None:
    """Before anything is deployed."""
    assert problems(tmp_path, trigger) == [problem]


@pytest.mark.parametrize(
    "option",
    [
        'if: "{% $object.size > 0 %}"',
        "dedupe: $.detail.object.etag",
        "max_starts: 5",
        "dry_run: true",
        "display_name: x",
        "max_parallel_steps: 2",
        "steps: [Train]",
        "version: 3",
        "mlflow_experiment: x",
    ],
)
def test_fields_that_need_a_handler_are_refused(tmp_path: Path, option: str) -> None:
    """Rather than left out in silence."""
    name = option.partition(":")[0]
    message = "needs a handler, which direct delivery bypasses; remove it, or remove delivery: direct"
    assert problems(tmp_path, f"{RULE}    start: p\n    {option}\n") == [f"{name}: {message}"]


def test_values_of_a_schedule_are_literal_to_the_letter() -> None:
    """Scheduler has no paths, so a dollar is one."""
    assert value_problem("schedule", "$5") is None
    assert value_problem("s3", "5$") is None


# ---- what is compiled


def test_a_direct_rule_starts_its_pipelines_itself() -> None:
    """With values as the document has them, and the dead-letter queue of its kind of event."""
    trigger = Trigger(
        "team/one",
        When("s3", {"bucket": "raw"}),
        (Start("Train", {"Key": "$.detail.object.key", "Fixed": "x"}), Start("report", {})),
        direct=True,
    )
    (rule,) = [found for found in stack(trigger).values() if found["Type"] == "AWS::Events::Rule"]
    train, report = rule["Properties"]["Targets"]
    arn = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/"
    assert train == {
        "Id": "pipeline-1",
        "Arn": {"Fn::Sub": f"{arn}Train"},
        "RoleArn": {"Fn::GetAtt": ["DirectRulesRole", "Arn"]},
        "SageMakerPipelineParameters": {
            "PipelineParameterList": [
                {"Name": "Key", "Value": "$.detail.object.key"},
                {"Name": "Fixed", "Value": "x"},
            ]
        },
        "DeadLetterConfig": {"Arn": {"Ref": "OnS3UploadDeadLetterQueueArn"}},
        "RetryPolicy": {"MaximumRetryAttempts": 185, "MaximumEventAgeInSeconds": 86400},
    }
    assert (report["Id"], report["Arn"]) == ("pipeline-2", {"Fn::Sub": f"{arn}report"})
    assert "SageMakerPipelineParameters" not in report
    assert rule["DependsOn"] == ["DirectRulesStarts"]


def test_a_direct_schedule_starts_its_pipeline_itself() -> None:
    """What Scheduler fills in has the spelling of ``$scheduled.time``."""
    values = {"At": "{% $scheduled.time %}", "By": "{%$scheduled.arn%}", "A_b": "x"}
    trigger = Trigger("team/one", When("schedule", {"rate": "1 day"}), (Start("train", values),), direct=True)
    (schedule,) = [found for found in stack(trigger).values() if found["Type"] == "AWS::Scheduler::Schedule"]
    target = schedule["Properties"]["Target"]
    assert target["RoleArn"] == {"Fn::GetAtt": ["DirectSchedulesRole", "Arn"]}
    assert target["SageMakerPipelineParameters"]["PipelineParameterList"] == [
        {"Name": "At", "Value": "<aws.scheduler.scheduled-time>"},
        {"Name": "By", "Value": "<aws.scheduler.schedule-arn>"},
        {"Name": "A_b", "Value": "x"},
    ]
    assert target["DeadLetterConfig"] == {"Arn": {"Ref": "OnEventDeadLetterQueueArn"}}
    assert "Input" not in target
    assert schedule["DependsOn"] == ["DirectSchedulesStarts"]


def test_each_service_may_start_exactly_the_pipelines_that_it_starts() -> None:
    """With a role of its own, which no handler has, and which only this account's rules, or the group, may use."""
    rule = Trigger("team/one", When("s3", {"bucket": "raw"}), (Start("Train", {}),), direct=True)
    schedule = Trigger("team/two", When("schedule", {"rate": "1 day"}), (Start("report", {}),), direct=True)
    queued = Trigger("team/three", When("s3", {"bucket": "raw"}), (Start("other", {}),))
    found = stack(rule, schedule, queued)
    arn = "arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:pipeline/"
    granted = {
        name: (resource["Properties"]["Roles"], *resource["Properties"]["PolicyDocument"]["Statement"])
        for name, resource in found.items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    }
    assert granted.keys() == {"DirectRulesStarts", "DirectSchedulesStarts", "OnS3UploadStarts", "OnBatchStarts"}
    for name, pipelines in (("DirectRules", ["Train", "train"]), ("DirectSchedules", ["report"])):
        roles, statement = granted[f"{name}Starts"]
        assert roles == [{"Ref": f"{name}Role"}]
        assert statement["Action"] == ["sagemaker:StartPipelineExecution"]
        assert statement["Resource"] == [{"Fn::Sub": arn + pipeline} for pipeline in pipelines]
    assert granted["OnS3UploadStarts"][1]["Resource"] == [{"Fn::Sub": f"{arn}other"}]
    for name, service, source in (
        ("DirectRules", "events", "events:${AWS::Region}:${AWS::AccountId}:rule/*"),
        ("DirectSchedules", "scheduler", "scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/${ScheduleGroup}"),
    ):
        role = found[f"{name}Role"]["Properties"]
        given = {"Ref": "PermissionsBoundary"}
        assert role["PermissionsBoundary"] == {"Fn::If": ["HasPermissionsBoundary", given, {"Ref": "AWS::NoValue"}]}
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": f"{service}.amazonaws.com"}
        assert trust["Condition"] == {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
            "ArnLike": {"aws:SourceArn": {"Fn::Sub": f"arn:${{AWS::Partition}}:{source}"}},
        }
    assert "Policies" not in found["DirectRulesRole"]["Properties"]
    (send,) = found["DirectSchedulesRole"]["Properties"]["Policies"]
    statement, of_key = send["PolicyDocument"]["Statement"]
    encrypt = {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": [{"Ref": "KmsKeyArn"}]}
    assert of_key == {"Fn::If": ["HasKmsKeyArn", encrypt, {"Ref": "AWS::NoValue"}]}
    assert (statement["Action"], statement["Resource"]) == (["sqs:SendMessage"], [{"Ref": "OnEventDeadLetterQueueArn"}])


def test_without_direct_triggers_there_is_no_such_role() -> None:
    """Nobody could use it."""
    queued = Trigger("team/one", When("schedule", {"rate": "1 day"}), (Start("p", {}),))
    assert not [found for found in stack(queued).values() if found["Type"] == "AWS::IAM::Role"]


def test_as_many_policies_as_its_pipelines_need_come_before_a_rule() -> None:
    """An event before that would be denied."""
    triggers = [
        Trigger(f"team/t{n}", When("s3", {"bucket": "raw"}), (Start(f"P{n}" + "p" * 250, {}),), direct=True)
        for n in range(30)
    ]
    found = stack(*triggers)
    names = [name for name, resource in found.items() if resource["Type"] == "AWS::IAM::ManagedPolicy"]
    assert len(names) > 1
    assert all(rule["DependsOn"] == names for rule in found.values() if rule["Type"] == "AWS::Events::Rule")


# ---- what the commands say


def test_a_direct_trigger_can_close_a_loop(tmp_path: Path) -> None:
    """It starts pipelines like any other."""
    trigger = "    when: {pipeline: {name: p, status: succeeded}}\n    delivery: direct\n    start: p\n"
    (message,) = problems(tmp_path, trigger)
    assert message == f"start: would run forever: p → p; {loops.REMEDY}"


@pytest.mark.parametrize("command", ["compile", "check"])
def test_the_commands_say_what_direct_delivery_gives_up(tmp_path: Path, command: str) -> None:
    """It is nothing wrong: they succeed."""
    assert problems(tmp_path, RULE + "    start: p\n") == []
    ended = CliRunner(mix_stderr=False).invoke(main, [command, "--documents", str(tmp_path)])
    assert ended.exit_code == 0
    assert ended.stderr == (
        f"Note: {tmp_path}/team.yaml:5: triggers.one: is delivered directly: no verdict, no check of its values, "
        "and an event that AWS delivers twice starts twice\n"
    )


def test_the_handlers_catalog_knows_direct_triggers(tmp_path: Path) -> None:
    """A message that was on its way when its trigger became direct is still handled."""
    assert problems(tmp_path, RULE + "    start: p\n") == []
    loaded = loader.load(tmp_path)
    (trigger,) = triggers_json.load(triggers_json.dump(loaded.triggers, loaded.stages), "dev", EXAMPLES).values()
    assert trigger.direct
