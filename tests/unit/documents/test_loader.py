"""Wrong documents: each problem has its file, line, field and remedy, and all come at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_triggers.documents import loader
from pipeline_triggers.errors import DocumentsError

from tests.unit.documents.checking import GOOD, HEAD, STAGES, problems


def test_a_valid_document_is_read(tmp_path: Path) -> None:
    """Scalars stay the text that was written: no YAML 1.1 surprises."""
    text = HEAD + GOOD + "    parameters: {A: NO, B: 1.10, C: 012345, D: 12:30, E: 2026-03-01, F: '20'}\n"
    assert problems(tmp_path, text) == []
    (trigger,) = loader.load(tmp_path).triggers
    assert trigger.id == "churn/retrain"
    assert trigger.start[0].parameters == {
        "A": "NO",
        "B": "1.10",
        "C": "012345",
        "D": "12:30",
        "E": "2026-03-01",
        "F": "20",
    }


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        (
            "    when: {s3: {bucket: raw, key: *.csv}}\n",
            '6: triggers.retrain.when.s3.key: a value that begins with * needs quotes; write key: "*.csv"',
        ),
        (
            GOOD + "    parameters: {A: {% $object.key %}}\n",
            '8: triggers.retrain.parameters.A: a value that begins with {% needs quotes; write A: "{% … %}"',
        ),
        (
            GOOD + "    start: churn-report\n",
            "8: triggers.retrain.start: is defined twice, first on line 7; remove one",
        ),
        (
            "    when: {s3: {bucket: raw}}\n",
            "5: triggers.retrain: needs start or start_one_of",
        ),
        (
            GOOD + "    parameter: {A: b}\n",
            "8: triggers.retrain.parameter: is not a known field; did you mean parameters?",
        ),
        (
            "    when: {queue: {bucket: raw}}\n    start: churn-training\n",
            "6: triggers.retrain.when.queue: is not a known field; "
            "use one of s3, endpoint, drift, training_job, model_package, pipeline, alarm, sns, schedule, event, all",
        ),
        (
            GOOD + "    enabled: yes\n",
            "8: triggers.retrain.enabled: is 'yes'; write true or false",
        ),
        (
            GOOD + "    parameters: [A]\n",
            "8: triggers.retrain.parameters: is a list; write names with values under them: "
            "Values by parameter name, where start is one name or start_one_of is used: "
            "a literal, $.a.b[0] (JSONPath) or {% … %} (JSONata).",
        ),
        (
            GOOD + "    parameters: {A b: c}\n",
            "8: triggers.retrain.parameters.A b: is not a valid name; "
            "SageMaker's parameter names have letters, digits, - and _, 256 at most",
        ),
        (
            GOOD + '    parameters: {"A\\n": c}\n',
            "8: triggers.retrain.parameters.A\\n: is not a valid name; "
            "SageMaker's parameter names have letters, digits, - and _, 256 at most",
        ),
        (
            GOOD + "    parameters:\n      A: {% 1\n",
            '9: triggers.retrain.parameters.A: a value that begins with {% needs quotes; write A: "{% … %}"',
        ),
        (
            GOOD + '    parameters:\n      A: "{% 1 + %}"\n',
            "9: triggers.retrain.parameters.A: '{% 1 + %}' is not a valid JSONata expression: "
            "Unexpected end of expression (at character 5); check its brackets, quotes and operators",
        ),
        (
            GOOD + "    parameters:\n      A:\n",
            "9: triggers.retrain.parameters.A: is empty, and SageMaker refuses empty values; "
            "leave the parameter out to use its default",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: ltv-training\n",
            "7: triggers.retrain.start: this file may not start ltv-training; add it to pipelines (churn-*)",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: churn_training\n",
            "7: triggers.retrain.start: 'churn_training' is not the name of a pipeline; "
            "use letters, digits and inner dashes, 256 at most",
        ),
        (
            '    when: {s3: {bucket: "${RawBuket}"}}\n    start: churn-training\n',
            "6: triggers.retrain.when.s3.bucket: ${RawBuket} has no value in stages.yaml; did you mean RawBucket?",
        ),
        (
            "    when: {s3: {bucket: s3://raw}}\n    start: churn-training\n",
            "6: triggers.retrain.when.s3.bucket: 's3://raw' is not the name of a bucket; write the name alone, "
            "without s3:// or arn:",
        ),
        (
            "    when: {s3: {bucket: raw, key: a**b}}\n    start: churn-training\n",
            "6: triggers.retrain.when.s3.key: ** matches whole path segments; write 'a*b' or put / around **",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: {churn-training: {}}\n    parameters: {A: b}\n",
            "8: triggers.retrain.parameters: is for one pipeline; write the parameters of each under its name",
        ),
        (
            GOOD + "  Retrain:\n" + GOOD,
            "8: triggers.Retrain: is not a valid name; "
            "use lower-case letters, digits and single dashes, 64 at most, as in retrain-on-upload",
        ),
        (
            GOOD + "    if: $object.size > 0\n",
            "8: triggers.retrain.if: '$object.size > 0' is not an expression; write {% … %} around it, "
            "as in {% $object.size > 0 %}",
        ),
        (
            GOOD + '    if: "{% $object.sise > 0 %}"\n',
            "8: triggers.retrain.if: '{% $object.sise > 0 %}' uses $object.sise, "
            "which such an event does not have; $object has bucket, etag, key, metadata, name, reason, sequencer, "
            "size, tags, uri, version_id",
        ),
        (
            GOOD + "    dry_run: maybe\n",
            "8: triggers.retrain.dry_run: is 'maybe'; write true or false",
        ),
        (
            GOOD + '    parameters: {A: "${RawBucket"}\n',
            "8: triggers.retrain.parameters.A: has a ${ that does not begin a reference; write ${Name}, with the "
            "closing brace",
        ),
        (
            '    when: {s3: {bucket: raw, key: "${!B}/x"}}\n    start: churn-training\n',
            "6: triggers.retrain.when.s3.key: has a ${ that does not begin a reference; write ${Name}, with the "
            "closing brace",
        ),
        (
            "    when: {event: {pattern: {source: [a]}, bus: a b}}\n    start: churn-training\n",
            "6: triggers.retrain.when.event.bus: 'a b' is not an event bus; write its name or its ARN",
        ),
        (
            GOOD + "    description: !Ref Bucket\n",
            "8: triggers.retrain.description: has a YAML tag (!Ref); remove it, or quote the value",
        ),
        (
            GOOD + '    description: "\\ud800"\n',
            "8: triggers.retrain.description: holds half a surrogate pair, "
            "which is not a character; write the whole pair",
        ),
        (
            '    when: {s3: {bucket: raw}}\n    start: {churn-raw-dev: {}, "churn-${RawBucket}": {}}\n',
            "7: triggers.retrain.start: names churn-raw-dev twice; name each pipeline once",
        ),
        (
            f"    when: {{s3: {{bucket: raw, key: {'x' * 1025}}}}}\n    start: churn-training\n",
            "6: triggers.retrain.when.s3.key: matches nothing; a key of S3 has 1024 bytes at most",
        ),
        (
            GOOD + "    description: &note text\n",
            "8: triggers.retrain.description: has a YAML anchor (&); repeat the value, "
            "or quote it if the & belongs to it",
        ),
        (
            "    when: {s3: {bucket: raw, key: *csv}}\n",
            '6: triggers.retrain.when.s3.key: a value that begins with * needs quotes; write key: "*csv"',
        ),
        (
            GOOD + "    parameters: {A: @daily}\n",
            '8: triggers.retrain.parameters.A: a value that begins with @ needs quotes; write A: "@daily"',
        ),
        (
            GOOD + "    parameters: {A: `date`}\n",
            '8: triggers.retrain.parameters.A: a value that begins with ` needs quotes; write A: "`date`"',
        ),
        (
            GOOD + '    description: "a\\0b"\n',
            "8: triggers.retrain.description: holds a control character, which AWS does not accept; remove it",
        ),
        (
            GOOD + "    description: see: above\n",
            '8: triggers.retrain: has ": " in a value without quotes; write description: "see: above"',
        ),
        (
            GOOD + "\tdescription: text\n",
            "8: triggers.retrain: is indented with a tab; indent with spaces",
        ),
        (
            GOOD + "    parameters: {A: 'b}\n\n\n",
            "8: triggers.retrain.parameters.A: is not valid YAML: while scanning a quoted scalar found unexpected end "
            "of stream; check its quotes, brackets and indentation",
        ),
        (
            GOOD + "    parameters: {[a]: b}\n",
            "8: triggers.retrain.parameters.?: is not a key; a key is plain text",
        ),
        (
            "",
            "5: triggers.retrain: is empty; write names with values under them: A trigger: what fires it, and what it "
            "starts.",
        ),
        (
            "    a text\n",
            "5: triggers.retrain: is 'a text'; write names with values under them: A trigger: what fires it, and what "
            "it starts.",
        ),
        (
            "    start: churn-training\n",
            "5: triggers.retrain: needs when",
        ),
        (
            "    when:\n    start: churn-training\n",
            "6: triggers.retrain.when: is empty; write names with values under them: The event that fires the "
            "trigger: exactly one kind.",
        ),
        (
            GOOD + "    start_one_of: [churn-training]\n",
            "5: triggers.retrain: has start and start_one_of; keep one",
        ),
        (
            "    when: {drift: {monitoring_schedule: [a, b]}}\n    start: churn-training\n",
            "6: triggers.retrain.when.drift.monitoring_schedule: is a list; write a single value: The monitoring "
            "schedule's name; * stands for any characters.",
        ),
        (
            "    when: {drift: {}}\n    start: churn-training\n",
            "6: triggers.retrain.when.drift: needs monitoring_schedule",
        ),
        (
            "    when: {training_job: {status: [failed, stoped]}}\n    start: churn-training\n",
            "6: triggers.retrain.when.training_job.status.1: 'stoped' is not a known status; did you mean Stopped?",
        ),
        (
            "    when: {model_package: {approval: {is: approved}}}\n    start: churn-training\n",
            "6: triggers.retrain.when.model_package.approval: is a mapping; write a text or a list: One or "
            "several approvals, as in Approved.",
        ),
        (
            "    when: {pipeline: {status: failed}}\n    start: churn-training\n",
            "6: triggers.retrain.when.pipeline: needs name",
        ),
        (
            "    when: {alarm: {name: drift, state: []}}\n    start: churn-training\n",
            "6: triggers.retrain.when.alarm.state: is empty; fill it in: One or several states, as in ALARM.",
        ),
        (
            "    when: {schedule: {timezone: UTC}}\n    start: churn-training\n",
            "6: triggers.retrain.when.schedule: needs at or rate or cron",
        ),
        (
            "    when: {schedule: {at: 2027-12-13T10:15:20, cron: 0 2, timezone: UTC}}\n    start: churn-training\n",
            "6: triggers.retrain.when.schedule: has at and cron; keep one",
        ),
        (
            "    when: {schedule: {cron: 0 2 * * ? *, timezone: UTC}}\n    start: churn-training\n",
            "6: triggers.retrain.when.schedule: has a ? in a value without quotes; "
            'quote the value, as in cron: "0 2 * * ? *"',
        ),
        (
            "    when: {schedule: {rate: 5 minutes, jitter: some}}\n    start: churn-training\n",
            "6: triggers.retrain.when.schedule.jitter: is 'some'; write a whole number of minutes, 1440 at most",
        ),
        (
            '    when: {schedule: {cron: "cron(0 2 * * ? *)", timezone: UTC}}\n    start: churn-training\n',
            "6: triggers.retrain.when.schedule.cron: 'cron(0 2 * * ? *)' has cron(…) around it, "
            "which the compiler adds; write 0 2 * * ? *",
        ),
        (
            "    when: {schedule: {rate: 5 minutes, end: '${RawBucket}'}}\n    start: churn-training\n",
            "6: triggers.retrain.when.schedule.end: differs per stage, so it can't be left out once it has passed; "
            "write it out",
        ),
        (
            "    when: {schedule: {rate: 5 minutes}}\n    start: churn-training\n    tags: {a: b}\n",
            "8: triggers.retrain.tags: are for a rule, which a trigger on schedule does not have; leave them out",
        ),
        (
            "    when: {schedule: {rate: 5 minutes}}\n    start: churn-training\n"
            '    parameters: {A: "{% $scheduled.month %}"}\n',
            "8: triggers.retrain.parameters.A: '{% $scheduled.month %}' uses $scheduled.month, which such an event "
            "does not have; $scheduled has arn, date, local, time, timezone",
        ),
        (
            "    when: {s3: {bucket: raw}, alarm: {name: drift, state: alarm}}\n    start: churn-training\n",
            "6: triggers.retrain.when: has 2 names; the limit is 1",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: [churn-training]\n",
            "7: triggers.retrain.start: is a list; write a pipeline's name, or names with parameters under them: "
            "A pipeline's name; or up to five names, each with its own parameters under it.",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: {churn-training: text}\n",
            "7: triggers.retrain.start.churn-training: is 'text'; write names with values under them: Values by "
            "parameter name: a literal, $.a.b[0] (JSONPath) or {% … %} (JSONata).",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: {churn-training: {}, ltv-training: {}}\n",
            "7: triggers.retrain.start.ltv-training: this file may not start ltv-training; "
            "add it to pipelines (churn-*)",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: {churn-a: {}, churn-b: {}, churn-c: {}, churn-d: {}, "
            "churn-e: {}, churn-f: {}}\n",
            "7: triggers.retrain.start: has 6 names; the limit is 5",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start: {churn-a: {}, churn-b: {}}\n    steps: [Train]\n",
            "8: triggers.retrain.steps: is for one pipeline; write a trigger for each pipeline, or leave it out",
        ),
        (
            "    when: {s3: {bucket: raw}}\n    start_one_of: [churn-a]\n",
            "7: triggers.retrain.start_one_of: is for publishers' requests; write when: {sns: {}}, or leave it out",
        ),
    ],
)
def test_a_wrong_trigger_is_refused_with_line_field_and_remedy(tmp_path: Path, trigger: str, problem: str) -> None:
    """The message is all that the author needs to fix it."""
    assert problems(tmp_path, HEAD + trigger) == [f"churn.yaml:{problem}"]


@pytest.mark.parametrize(
    ("trigger", "problem"),
    [
        (
            "when: {sns: [topic]}\n    start: churn-training\n",
            "6: triggers.retrain.when.sns: is a list; write names with values under them: A message was "
            "published to an SNS topic.",
        ),
        (
            "when: {sns: {topics: a}}\n    start: churn-training\n",
            "6: triggers.retrain.when.sns.topics: is not a known field; did you mean topic?",
        ),
        (
            "when: {sns: {topic: orders}}\n    start: churn-training\n",
            "6: triggers.retrain.when.sns.topic: 'orders' is not a standard topic; write its ARN, as in "
            "arn:aws:sns:eu-central-1:123456789012:alarms",
        ),
        (
            "when: {sns: {topic: 'arn:aws:sns:eu-central-1:${AWS::AccountID}:orders'}}\n    start: churn-training\n",
            "6: triggers.retrain.when.sns.topic: ${AWS::AccountID} has no value in stages.yaml; did you mean "
            "AWS::AccountId?",
        ),
        (
            "when: {sns: {}}\n    start_one_of: churn-training\n",
            "7: triggers.retrain.start_one_of: is 'churn-training'; write a list: The pipelines of which a "
            "publisher names one, on the stack's own topic.",
        ),
        (
            "when: {sns: {}}\n    start_one_of: []\n",
            "7: triggers.retrain.start_one_of: is empty; fill it in: The pipelines of which a publisher names one, "
            "on the stack's own topic.",
        ),
        (
            "when: {sns: {}}\n    start_one_of: [churn-a, ltv-a]\n",
            "7: triggers.retrain.start_one_of.1: this file may not start ltv-a; add it to pipelines (churn-*)",
        ),
        (
            "when: {sns: {}}\n    start_one_of: [churn-a, churn-a]\n",
            "7: triggers.retrain.start_one_of: names churn-a twice; name each pipeline once",
        ),
        (
            "when: {sns: {}}\n    start_one_of: [churn-a, churn-b]\n    version: 3\n",
            "8: triggers.retrain.version: is for one pipeline; write a trigger for each pipeline, or leave it out",
        ),
        (
            "when: {sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:a'}}\n    start: churn-training\n    "
            "accept: {Day: '*'}\n",
            "8: triggers.retrain.accept: is for publishers' requests; write when: {sns: {}}, or leave it out",
        ),
        (
            "when: {sns: {}}\n    start: {churn-a: {}}\n    accept: {Day: '*'}\n",
            "8: triggers.retrain.accept: is for one pipeline; write one name, or start_one_of",
        ),
        (
            "when: {sns: {}}\n    start: churn-training\n    accept: {}\n",
            "8: triggers.retrain.accept: is empty; fill it in: The parameters that a publisher may set, on the "
            "stack's own topic: by name a glob for the value (* stays between slashes, ** crosses them), or a "
            "list of values.",
        ),
        (
            "when: {sns: {}}\n    start: churn-training\n    accept: {Day: a**b}\n",
            "8: triggers.retrain.accept.Day: ** matches whole path segments; write 'a*b' or put / around **",
        ),
        (
            "when: {sns: {}}\n    start: churn-training\n    accept: {Day: {is: a}}\n",
            "8: triggers.retrain.accept.Day: is a mapping; write a single value or a list: A glob for the value, "
            "or a list of values.",
        ),
        (
            "when: {sns: {}}\n    start: churn-training\n    accept: {The day: '*'}\n",
            "8: triggers.retrain.accept.The day: is not a valid name; SageMaker's parameter names have "
            "letters, digits, - and _, 256 at most",
        ),
        (
            "when: {sns: {}}\n    start: churn-training\n    accept: {Market: [de, '${Markt}']}\n",
            "8: triggers.retrain.accept.Market.1: ${Markt} has no value in stages.yaml; use one of "
            "AWS::AccountId, AWS::Region, RawBucket",
        ),
        (
            "when: {sns: {attributes: {team: [a]}}}\n    start: churn-training\n",
            "6: triggers.retrain.when.sns.attributes: filters the messages of a topic; write the topic, or leave it "
            "out",
        ),
        (
            "when: {sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:t', attributes: {a: [b]}, body: {a: [b]}}}\n"
            "    start: churn-training\n",
            "6: triggers.retrain.when.sns: has a filter of attributes and one of body; "
            "SNS accepts one, so write the other as an if",
        ),
        (
            "when: {sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:t', body: {a: b}}}\n"
            "    start: churn-training\n",
            '6: triggers.retrain.when.sns.body.a: is "b"; a pattern\'s values are lists: ["b"]',
        ),
        (
            "when: {sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:t', body: {a: [b]}}}\n"
            "    start: churn-training\n  again:\n    start: churn-training\n"
            "    when: {sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:t'}}\n",
            "6: triggers.retrain.when.sns: filters arn:aws:sns:eu-central-1:123456789012:t, "
            "which other triggers use as well; write an if instead",
        ),
        (
            "when: {sns: {}}\n    start: churn-training\n    tags: {team: churn}\n",
            "8: triggers.retrain.tags: are for a rule, which a trigger on sns does not have; leave them out",
        ),
    ],
)
def test_a_wrong_request_is_refused(tmp_path: Path, trigger: str, problem: str) -> None:
    """What publishers may ask for, and what is for their topic only."""
    assert problems(tmp_path, HEAD + f"    {trigger}") == [f"churn.yaml:{problem}"]


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        (
            "accept: {Day: '*'}",
            "accept: is for publishers' requests; write when: {sns: {}}, or leave it out",
        ),
        (
            "tags: {aws:team: churn}",
            "tags.aws:team: is not a valid name; tag keys have letters, digits, spaces and . : / = + - @ "
            "_, 128 at most, and do not begin with aws:",
        ),
        (
            "tags: {team: churn & ltv}",
            "tags.team: is 'churn & ltv'; tag values have letters, digits, spaces and . : / = + - @ _",
        ),
        (
            f"tags: {{team: {'x' * 257}}}",
            "tags.team: has 257 characters; the limit is 256",
        ),
        (
            "dedupe: daily",
            "dedupe: 'daily' is the same on every event, so only one execution would ever start; "
            "write $.a.b or {% … %}",
        ),
        (
            "dedupe: $.detail.object.kye",
            "dedupe: '$.detail.object.kye' leads to nothing: such an event does not have it; "
            "see the samples in events/",
        ),
        (
            "dedupe: '{% $object.key'",
            "dedupe: '{% $object.key' has {% or %} inside; write {% … %} around the whole value, and join "
            "texts in it: {% 'a/' & $b %}",
        ),
        (
            "max_starts: 0",
            "max_starts: is '0'; write a whole number, 1 or more",
        ),
        (
            "max_starts: [1]",
            "max_starts: is a list; write a whole number: The maximum number of executions per hour.",
        ),
        (
            "max_parallel_steps: two",
            "max_parallel_steps: is 'two'; write a whole number, 1 or more",
        ),
        (
            "steps: Train",
            "steps: is 'Train'; write a list: Run these steps only (selective execution).",
        ),
        (
            "steps: [Train, '']",
            "steps.1: is empty; fill it in: A step's name.",
        ),
        (
            f"steps: [{', '.join(['s'] * 51)}]",
            "steps: has 51 items; the limit is 50",
        ),
        (
            "steps: ['${Step}']",
            "steps.0: ${Step} has no value in stages.yaml; use one of AWS::AccountId, AWS::Region, RawBucket",
        ),
        (
            "source_execution: $.time",
            "source_execution: needs steps; write the steps to run, or leave it out",
        ),
        (
            'version: "3\\n"',
            "version: '3\\n' is not a version; write a number, or an alias of letters, digits and . _ -",
        ),
        (
            "version: 1.0 beta",
            "version: '1.0 beta' is not a version; write a number, or an alias of letters, digits and . _ -",
        ),
        (
            "version:",
            "version: is empty; fill it in: The pipeline's version, a number, or the alias of one. "
            "The latest when left out.",
        ),
        (
            "version: 0",
            "version: '0' is not a version; write a number, or an alias of letters, digits and . _ -",
        ),
        (
            "source_execution: churn-1\n    steps: [Train]",
            "source_execution: 'churn-1' is not an execution; write its ARN, "
            "arn:aws:sagemaker:…:pipeline/…/execution/…, or $.a.b or {% … %}",
        ),
        (
            f"mlflow_experiment: {'x' * 257}",
            f"mlflow_experiment: '{'x' * 77}…' has 257 characters; an MLflow experiment's name has 256 at most",
        ),
        (
            "enabled: {a: b}",
            "enabled: is a mapping; write true or false",
        ),
        (
            "enabled:",
            "enabled: is empty; write true or false",
        ),
        (
            "mlflow_experiment: $.detail.team",
            "mlflow_experiment: '$.detail.team' leads to nothing: such an event does not have it; see the samples "
            "in events/",
        ),
        (
            "mlflow_experiment: ''",
            "mlflow_experiment: is empty; fill it in: The MLflow experiment's name for the execution, a literal, "
            "JSONPath or JSONata.",
        ),
        (
            "display_name: on {% time %}",
            "display_name: 'on {% time %}' has {% or %} inside; write {% … %} around the whole value, and join "
            "texts in it: {% 'a/' & $b %}",
        ),
        (
            "display_name: []",
            "display_name: is a list; write a single value: The execution's display name, a literal, JSONPath or "
            "JSONata; what SageMaker does not allow in it becomes a dash. The trigger's id and a hash when left "
            "out.",
        ),
        (
            "secret: [Pasword]\n    parameters: {Password: x}",
            "secret.0: 'Pasword' is not a parameter of this trigger; did you mean Password?",
        ),
        (
            "secret: [Password]",
            "secret.0: 'Password' is not a parameter of this trigger; the trigger gives no parameters",
        ),
        (
            f"description: {'x' * 513}",
            "description: has 513 characters; the limit is 512",
        ),
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, option: str, problem: str) -> None:
    """What a trigger may say besides ``when`` and ``start``."""
    assert problems(tmp_path, HEAD + GOOD + f"    {option}\n") == [f"churn.yaml:8: triggers.retrain.{problem}"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            "$object.key",
            "'$object.key' looks like a path or a variable; write {% $object.key %}, or {% '$object.key' %} for "
            "the text",
        ),
        (
            "'$.detail.items[*'",
            "'$.detail.items[*' is not a JSONPath that EventBridge accepts; write names, indices and * as in "
            "$.detail.items[0].id",
        ),
        (
            "$.detail..key",
            "'$.detail..key' is not a JSONPath that EventBridge accepts; write names, indices and * as in "
            "$.detail.items[0].id",
        ),
        (
            "$.detail.*.nope",
            "'$.detail.*.nope' leads to nothing: such an event does not have it; see the samples in events/",
        ),
        (
            "'$.resources[*].name'",
            "'$.resources[*].name' leads to nothing: such an event does not have it; see the samples in events/",
        ),
        (
            "x" * 1025,
            "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…' has 1025 "
            "characters; SageMaker takes 1024 at most",
        ),
        (
            "[a]",
            "is a list; write a single value: A literal, $.a.b[0] (JSONPath) or {% … %} (JSONata).",
        ),
        (
            "'{% $job.name %}'",
            "'{% $job.name %}' uses $job, which is not a variable here; use $object or $trigger",
        ),
        (
            "'{% $uppercase($object.size) %}'",
            "'{% $uppercase($object.size) %}' calls $uppercase with a number, which it does not accept; "
            "convert its input, as with $string or $number",
        ),
        (
            "'{% $random() %}'",
            "'{% $random() %}' uses $random, which differs on a retry; take what differs from the event, as in id",
        ),
        (
            "'{% $uppercas($object.key) %}'",
            "'{% $uppercas($object.key) %}' calls $uppercas, which is not a function; did you mean $uppercase?",
        ),
        (
            "s3://{% $object.key %}",
            "'s3://{% $object.key %}' has {% or %} inside; write {% … %} around the whole value, and join "
            "texts in it: {% 'a/' & $b %}",
        ),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, value: str, problem: str) -> None:
    """On the line of the value, which need not be that of ``parameters``."""
    text = HEAD + GOOD + f"    parameters:\n      A: {value}\n"
    assert problems(tmp_path, text) == [f"churn.yaml:9: triggers.retrain.parameters.A: {problem}"]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        (
            "{sorce: [acme]}",
            ".sorce: is not a field of an event; did you mean source?",
        ),
        (
            "{source: [{prefx: acme}]}",
            ".source.0: has an unknown operator, prefx; did you mean prefix?",
        ),
        (
            "{source: [{prefix: a, suffix: b}]}",
            ".source.0: has 2 operators; write one, as in {prefix: acme.}",
        ),
        (
            "{source: [{}]}",
            ".source.0: has 0 operators; write one, as in {prefix: acme.}",
        ),
        (
            "{source: []}",
            ".source: is empty, which EventBridge refuses; leave it out, or write what to match",
        ),
        (
            "{source: }",
            ".source: is empty, which EventBridge refuses; leave it out, or write what to match",
        ),
        (
            "{source: [[acme]]}",
            ".source.0: is a list in a list; write its values side by side",
        ),
        (
            "{source: true}",
            ".source: is true; a pattern's values are lists: [true]",
        ),
        (
            "{detail: [closed]}",
            ".detail: is a list; write fields and their values, as in {status: [failed]}",
        ),
        (
            "{source: {name: [acme]}}",
            ".source: is a mapping; only detail has fields, so write a list of values",
        ),
        (
            "{$or: {source: [a]}}",
            ".$or: is not a list; write patterns side by side, as in [{source: [acme]}, {account: ['123456789012']}]",
        ),
        (
            "{$or: [{sorce: [a]}, {account: [b]}]}",
            ".$or.0.sorce: is not a field of an event; did you mean source?",
        ),
        (
            "{account: [123456789012]}",
            '.account.0: is 123456789012, but account is a text; write "123456789012"',
        ),
        (
            "{$or: [{source: [a]}]}",
            ".$or: has one alternative; write two or more, or leave out $or",
        ),
        (
            "{$or: [{source: [a]}, {}]}",
            ".$or.1: is not a pattern; write fields and their values, as in {source: [acme]}",
        ),
        (
            "{detail: {kind: closed}}",
            '.detail.kind: is "closed"; a pattern\'s values are lists: ["closed"]',
        ),
        (
            "{source: ['${Acme}']}",
            ".source.0: ${Acme} has no value in stages.yaml; use one of AWS::AccountId, AWS::Region, RawBucket",
        ),
        (
            "[source]",
            ": is a list; write names with values under them: An event pattern, as the console writes it; "
            "scalars without quotes are JSON where they are JSON (5, true).",
        ),
    ],
)
def test_a_wrong_pattern_is_refused(tmp_path: Path, pattern: str, problem: str) -> None:
    """What EventBridge would refuse, and what could never match."""
    text = HEAD + f"    when: {{event: {{pattern: {pattern}}}}}\n    start: churn-training\n"
    assert problems(tmp_path, text) == [f"churn.yaml:6: triggers.retrain.when.event.pattern{problem}"]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("churn.yaml", "", "churn.yaml:1: is empty; write version, owner, pipelines and triggers, or remove the file"),
        ("churn.yaml", "- a", "churn.yaml:1: is a list; write names with values under them: "
         "The triggers of one team: which events start which SageMaker pipelines, with which parameters."),
        ("churn.yaml", "a:\n---\nb:", "churn.yaml:2: holds a second YAML document; write one per file, without ---"),
        ("churn.yaml", "a: [1", "churn.yaml:1: a: is not valid YAML: while parsing a flow sequence expected ',' or "
         "']', but got '<stream end>'; check its quotes, brackets and indentation"),
        ("churn.yaml", "a: \x07", "churn.yaml:1: holds U+0007, which YAML does not allow; escape it in double quotes"),
        ("churn.yaml", "a: " + "[" * 60, "churn.yaml:1: a" + ".0" * 50 + ": is nested deeper than 50 levels; "
         "write it flatter"),
        ("churn.yaml", HEAD + GOOD + "# \x07", "churn.yaml:8: holds U+0007, which YAML does not allow; "
         "escape it in double quotes"),
        ("churn.yaml", HEAD.replace("version: 1", "version: 2") + GOOD, "churn.yaml:1: version: is '2'; "
         "write version: 1"),
        ("churn.yaml", HEAD.replace("owner: churn-team\n", "") + GOOD, "churn.yaml:1: needs owner"),
        ("churn.yaml", HEAD.replace("[churn-*]", "churn-*") + GOOD, "churn.yaml:3: pipelines: is 'churn-*'; "
         "write a list: The pipelines that this file may start: names, in which * stands for any characters."),
        ("churn.yaml", HEAD.replace("churn-*", "churn-*, '${Market}'") + GOOD, "churn.yaml:3: pipelines.1: "
         "${Market} has no value in stages.yaml; use one of AWS::AccountId, AWS::Region, RawBucket"),
        ("churn.yaml", HEAD.replace("  retrain:\n", ""), "churn.yaml:4: triggers: is empty; "
         "write names with values under them: The triggers by name: lower-case letters, digits, single dashes. "
         "A trigger's id is <file name>/<name>."),
        ("Churn.yml", HEAD + GOOD, "Churn.yml:1: is not a file name for a team; "
         "use lower-case letters, digits, dashes and .yaml: churn.yaml"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    """What is wrong with a file as a whole names the file."""
    assert problems(tmp_path, text, name) == [problem]


@pytest.mark.parametrize(
    ("trigger", "stages", "problem"),
    [
        (
            '    when: {s3: {bucket: raw, key: "${Key}"}}\n    start: churn-training\n',
            "dev: {Key: '*.csv'}",
            "6: triggers.retrain.when.s3.key: refers to a stage's value that holds *; write the * here",
        ),
        (
            '    when: {endpoint: {name: "${Name}", status: in-service}}\n    start: churn-training\n',
            "dev: {Name: churn-*}\nprod: {Name: churn-prod}",
            "6: triggers.retrain.when.endpoint.name: refers to a stage's value that holds *; write the * here",
        ),
        (
            GOOD + '    tags: {team: "${Team}"}\n',
            "dev: {Team: churn}\nprod: {Team: churn & ltv}",
            "8: triggers.retrain.tags.team: 'churn & ltv' is not the value of a tag; "
            "use letters, digits, spaces and . : / = + - @ _, 256 at most",
        ),
        (
            '    when: {endpoint: {name: "${Name}", status: in-service}}\n    start: churn-training\n',
            "dev: {Name: churn}\nprod: {Name: churn_prod}",
            "6: triggers.retrain.when.endpoint.name: 'churn_prod' is not a name that SageMaker gives; "
            "use letters, digits, dashes and *",
        ),
        (
            '    when: {s3: {bucket: "${Bucket}"}}\n    start: churn-training\n',
            "dev: {Bucket: raw}\nprod: {Bucket: Raw}",
            "6: triggers.retrain.when.s3.bucket: 'Raw' is not the name of a bucket; use lower-case letters, digits, "
            "dots and dashes",
        ),
        (
            GOOD + '    dedupe: "${Day}"\n',
            "dev: {Day: $.time}\nprod: {Day: today}",
            "8: triggers.retrain.dedupe: 'today' is the same on every event, so only one execution would ever start; "
            "write $.a.b or {% … %}",
        ),
        (
            "    when: {sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:a'}}\n    start: churn-training\n"
            "  again:\n    when: {sns: {topic: '${Topic}'}}\n    start: churn-training\n",
            "dev: {Topic: 'arn:aws:sns:eu-central-1:123456789012:a'}",
            "9: triggers.again.when.sns.topic: is the topic that another trigger writes as "
            "arn:aws:sns:eu-central-1:123456789012:a; write it the same way",
        ),
        (
            '    when: {pipeline: {name: "${Ended}", status: succeeded}}\n    start: churn-training\n',
            "dev: {Ended: orders}\nprod: {Ended: churn-training}",
            "7: triggers.retrain.start: would run forever: churn-training → churn-training; "
            "start another pipeline, or remove or disable one of these triggers",
        ),
    ],
)
def test_problems_of_a_single_stage_are_refused(tmp_path: Path, trigger: str, stages: str, problem: str) -> None:
    """A document is right when it is so in every stage."""
    assert problems(tmp_path, HEAD + trigger, stages=stages) == [f"churn.yaml:{problem}"]


def test_the_allowed_pipelines_may_differ_per_stage(tmp_path: Path) -> None:
    """A reference is replaced there too, and what one stage may start, another may not."""
    head = HEAD.replace("churn-*", '"${RawBucket}-*"') + "    when: {s3: {bucket: raw}}\n"
    assert problems(tmp_path, head + '    start: "${RawBucket}-train"\n') == []
    assert problems(tmp_path, head + "    start: raw-dev-train\n") == [
        "churn.yaml:7: triggers.retrain.start: this file may not start raw-dev-train; add it to pipelines (raw-prod-*)"
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("folder.yaml", "can't be read: Is a directory; make it readable, or move it elsewhere"),
        (
            "TEAM.YAML",
            "is not a file name for a team; use lower-case letters, digits, dashes and .yaml: churn.yaml",
        ),
    ],
)
def test_other_files_are_not_ignored(tmp_path: Path, name: str, problem: str) -> None:
    """A folder, or an ending in capitals: somebody meant a document."""
    if name == "folder.yaml":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text(HEAD + GOOD)
    found = problems(tmp_path, HEAD + GOOD)
    assert found == [f"{name}:1: {problem}"]


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """Not a traceback: which byte, and on which line."""
    (tmp_path / "stages.yaml").write_text(STAGES)
    (tmp_path / "churn.yaml").write_bytes(b"version: 1\nowner: \xff")
    with pytest.raises(DocumentsError, match=r"churn\.yaml:2: is not UTF-8 text: byte 18 is 0xff; save it as UTF-8"):
        loader.load(tmp_path)


@pytest.mark.parametrize(
    ("stages", "problem"),
    [
        ("", "1: names no stage; write at least one, as in dev: {RawBucket: raw-dev}"),
        ("dev: {A: a}\nprod: {A: a, B: b}", "1: dev: has no B, which another stage has; add it"),
        ("dev-1: {A: a}", "1: dev-1: is not the name of a stage; use letters and digits only, and not Ref"),
        ("dev: {A-B: a}", "1: dev.A-B: is not a name; use letters and digits, beginning with a letter, and not Ref"),
        ("dev: {A: [a]}", "1: dev.A: is not a single value; write a text"),
        ("dev: {A: }", "1: dev.A: is not a single value; write a text"),
        (
            "dev: {ManifestBucket: 's3://manifests'}",
            "1: dev.ManifestBucket: is 's3://manifests', not the name of a bucket; write it without s3://",
        ),
        ("dev: {A: a, A: b}", "1: dev.A: is defined twice, first on line 1; remove one"),
        ("dev: {A: *a}", '1: dev.A: a value that begins with * needs quotes; write A: "*a"'),
        ("- dev", "1: names no stage; write at least one, as in dev: {RawBucket: raw-dev}"),
        ("dev: a", "1: dev: has no values; write names and values, as in {RawBucket: raw-dev}"),
    ],
)
def test_wrong_stages_are_refused(tmp_path: Path, stages: str, problem: str) -> None:
    """A stage that needs a value would deploy something else than the others."""
    assert problems(tmp_path, HEAD + GOOD, stages=stages) == [f"stages.yaml:{problem}"]


def test_stages_must_exist(tmp_path: Path) -> None:
    """The remedy says what belongs into the missing file."""
    with pytest.raises(DocumentsError, match=r"stages\.yaml:1: does not exist; it names the stages"):
        loader.load(tmp_path)


def test_all_problems_of_all_files_come_at_once(tmp_path: Path) -> None:
    """Nobody fixes one problem only to learn of the next."""
    (tmp_path / "ltv.yaml").write_text(HEAD + "    start: churn-a\n", encoding="utf-8")
    found = problems(tmp_path, HEAD + GOOD + "    enabled: 1\n    colour: red\n")
    assert [problem.split(": ")[0] for problem in found] == ["churn.yaml:8", "churn.yaml:9", "ltv.yaml:5"]


def test_an_unreadable_trigger_hides_nothing_else(tmp_path: Path) -> None:
    """A misspelt key, a repeated one and a wrong stage: all the rest is reported with them."""
    text = HEAD + GOOD + "    enabld: false\n    if: $object.size\n"
    text += "  other:\n    when: {endpoint: {status: servng}}\n    start: a b\n    start: a b\n"
    text += '    parameters: {A: "{% $now() %}", B: "{% detail.nope %}"}\n'
    found = problems(tmp_path, text, stages="dev: {RawBucket: [1]}\n")
    assert [problem.split(": ")[1] for problem in found] == [
        "triggers.retrain.enabld",
        "triggers.retrain.if",
        "triggers.other.when.endpoint.status",
        "triggers.other.start",
        "triggers.other.parameters.A",
        "triggers.other.parameters.B",
        "dev.RawBucket",
    ]


def test_every_loop_is_reported(tmp_path: Path) -> None:
    """Not the first only."""
    loops = [
        f"  {name}:\n    when: {{pipeline: {{name: churn-{name}, status: failed}}}}\n    start: churn-{name}\n"
        for name in ("a", "b")
    ]
    found = problems(tmp_path, HEAD.replace("  retrain:\n", "") + "".join(loops))
    assert [problem.split(": ")[1] for problem in found] == ["triggers.a.start", "triggers.b.start"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("null", 'is null, which is not a value; write "null" if you mean the text, or leave it out'),
        ("~", 'is ~, which is not a value; write "~" if you mean the text, or leave it out'),
        ("{<<: {B: c}}", ".<<: is a merge key, which is not supported; repeat the keys here"),
        ("[&b x, *b]", ".1: is a YAML alias (*b); repeat the value"),
        ('"{% $object %}"', "'{% $object %}' gives an object on such an event, not one value; "
         "name one item or field, or write {% $string(…) %}"),
        ("$.detail.object", "'$.detail.object' gives an object on such an event, not one value; "
         "name one item or field, or write {% $string(…) %}"),
        ('"{% (detail.bucket).nme %}"', "'{% (detail.bucket).nme %}' resolves to nothing on such an event; "
         "see the samples in events/"),
        ('"{% ($d := detail; $d.bucket.nme) %}"', "'{% ($d := detail; $d.bucket.nme) %}' resolves to nothing on such "
         "an event; see the samples in events/"),
        ("$.detial.Environment.X", "'$.detial.Environment.X' leads to nothing: such an event does not have it; "
         "see the samples in events/"),
    ],
)  # fmt: skip
def test_a_value_that_could_not_be_sent_is_refused(tmp_path: Path, value: str, problem: str) -> None:
    """Before an event shows it."""
    found = problems(tmp_path, HEAD + GOOD + f"    parameters:\n      A: {value}\n")
    assert any(f"churn.yaml:9: triggers.retrain.parameters.A{problem}".replace("A'", "A: '").replace("Ais", "A: is")
               in message for message in found), found  # fmt: skip


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ('if: "{% $object.size %}"', "if: '{% $object.size %}' does not give true or false on such an event; "
         "compare, as in a = 'b'"),
        ("dedupe: \"{% 'x' & 'y' %}\"", "dedupe: \"{% 'x' & 'y' %}\" is the same on every event, so only one execution "
         "would ever start; write $.a.b or {% … %}"),
    ],
)  # fmt: skip
def test_a_condition_and_a_key_must_say_something(tmp_path: Path, option: str, problem: str) -> None:
    """True or false, and something of the event."""
    assert problems(tmp_path, HEAD + GOOD + f"    {option}\n") == [f"churn.yaml:8: triggers.retrain.{problem}"]


@pytest.mark.parametrize(
    ("when", "value"),
    [
        ("training_job: {status: failed}", "$.detail.Environment.X"),
        ("alarm: {name: a, state: alarm}", '"{% detail.configuration.metrics[1].label %}"'),
        ("endpoint: {status: in-service}", "$.detail.ProductionVariants[1].VariantName"),
        ("sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:t'}", '"{% $message.body %}"'),
        ("sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:t'}", "\"{% $split($message.body, ',')[0] %}\""),
        ("s3: {bucket: raw}", '"{% $object.tags.team %}"'),
        ("s3: {bucket: raw}", "\"{% $exists($object.version_id) ? $object.version_id : 'none' %}\""),
        ("event: {pattern: {detail: {x: [null]}}}", '"{% detail.anything %}"'),
    ],
)
def test_fields_of_some_events_are_not_refused(tmp_path: Path, when: str, value: str) -> None:
    """The sample is one event of many."""
    text = f"    when: {{{when}}}\n    start: churn-training\n    parameters:\n      A: {value}\n"
    assert problems(tmp_path, HEAD + text) == []


def test_a_schedule_is_checked_as_each_stage_sees_it(tmp_path: Path) -> None:
    """A zone may differ per stage; when a schedule ends may not, because one stack serves all."""
    stages = "dev: {Zone: Berlin, Often: 5 minutes}\nprod: {Zone: UTC, Often: 1 minute}\n"
    when = '    when: {schedule: {cron: "0 2 * * ? *", timezone: "${Zone}"}}\n    start: churn-training\n'
    assert problems(tmp_path, HEAD + when, stages=stages) == [
        "churn.yaml:6: triggers.retrain.when.schedule.timezone: 'Berlin' is not a time zone; did you mean "
        "Europe/Berlin?"
    ]
    assert problems(tmp_path, HEAD + when, stages=stages.replace("Berlin", "Europe/Berlin")) == []
    rate = '    when: {schedule: {rate: "${Often}"}}\n    start: churn-training\n'
    assert problems(tmp_path, HEAD + rate, stages=stages) == []
