"""``collect``, ``when.all``, ``when_busy`` and ``limits``: what is refused, with which message."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_triggers.documents import loader

from tests.unit.documents.checking import HEAD, problems

DAY = "{% $split($object.key, '/')[1] %}"
REGION = "{% $split($object.key, '/')[2] %}"
UPLOAD = '    when: {s3: {bucket: raw, key: "sales/*/*/_SUCCESS"}}\n    start: churn-training\n'
ALL = "    when: {all: {data: {s3: {bucket: raw}}, model: {model_package: {approval: approved}}}}\n"
BOTH = ALL + "    start: churn-training\n"
JOIN = f'part: "{REGION}", expect: [emea, apac]'
DEADLINE = "deadline: {after: 1 day}"
CRON = 'cron: "0 8 ? * MON-FRI *", timezone: Europe/Berlin'

COLLECTS = [
    ("quiet: 30 seconds", "collect.quiet: is '30 seconds'; write a whole number of minutes, hours or days"),
    ("max_open: 0 minutes", "collect.max_open: is '0 minutes'; write a whole number of minutes, hours or days"),
    ("max_events: 100001", "collect.max_events: is 100001; a batch holds 100000 events at most"),
    ("late: never", "collect.late: is 'never'; write all, new or ignore"),
    ("late: new", "collect.late: is for a batch that expects parts; write expect, or leave it out"),
    (DEADLINE, "collect.deadline: is for a batch that expects parts; write expect, or leave it out"),
    (f"expect: [a, b], {DEADLINE}", "collect.expect: needs part, which identifies the parts, as in"),
    (JOIN, "collect: needs a deadline, because a part may never come; write deadline: {after"),
    (f"{JOIN}, {DEADLINE}, quiet: 1 hour", "collect.quiet: does not apply to a batch that closes when its parts"),
    (f"{JOIN}, {DEADLINE}, max_open: 1 hour", "collect.max_open: does not apply to a batch that closes when its parts"),
    (f"{JOIN}, {DEADLINE}, max_events: 9", "collect.max_events: does not apply to a batch that closes when its parts"),
    (f'part: "{REGION}", expect: [a, b, a], {DEADLINE}', "collect.expect: names 'a' twice; name each part once"),
    (f'part: "{REGION}", expect: 1001, {DEADLINE}', "collect.expect: is 1001; a batch expects 1 to 1000 parts"),
    (f'part: "{REGION}", expect: all, {DEADLINE}', "collect.expect: is 'all'; write a list of names, a whole number"),
    (f"part: one, expect: 2, {DEADLINE}", "collect.part: 'one' is the same on every event, so no batch has several"),
    (
        f'part: "{REGION}", expect: "{{% $batch.by = 1 %}}", by: "{DAY}", {DEADLINE}',
        "does not give 1 to 1000 names of parts, nor how many; write a list or a number",
    ),
    (
        f'part: "{REGION}", expect: "{{% $batch.by %}}", {DEADLINE}',
        "collect.expect: '{% $batch.by %}' uses $batch.by, which a batch does not have",
    ),
    (
        'by: "{% $object.nmae %}"',
        "collect.by: '{% $object.nmae %}' uses $object.nmae, which such an event",
    ),
    ("by: {data: a}", "collect.by.data: is not a name in when.all; write one value"),
    ("only_if: 'yes'", "collect.only_if: 'yes' is not an expression; write {% … %} around it"),
    ('only_if: "{% $batch.count %}"', "does not give true or false on a complete batch; compare, as in a = 'b'"),
    ('only_if: "{% $object.size > 1 %}"', "uses $object, which is not a variable here; use $batch"),
]

DEADLINES = [
    (f"{DEADLINE[:-1]}, {CRON}}}", "collect.deadline: has after and cron; keep one"),
    ("deadline: {start_incomplete: true}", "collect.deadline: needs after or cron"),
    ("deadline: {after: 1 day, due: x}", "collect.deadline.due: belongs to cron; leave it out"),
    ("deadline: {after: 1 day, timezone: UTC}", "collect.deadline.timezone: belongs to cron; leave it out"),
    (f"deadline: {{{CRON}}}", "collect.deadline: needs due, the by that has to be complete then, as in"),
    ('deadline: {cron: "0 8 * * ? *", due: x}', "collect.deadline: needs a timezone, as in Europe/Berlin or UTC"),
    (f"deadline: {{{CRON}x, due: x}}", "collect.deadline.timezone: 'Europe/Berlinx' is not a time zone; did you mean"),
    (
        'deadline: {cron: "0 8 * * *", timezone: UTC, due: x}',
        "collect.deadline.cron: '0 8 * * *' has 5 fields instead of six",
    ),
    (f"deadline: {{{CRON}, due: $.detail.x}}", "is a path into an event, and a deadline has none; write {% $sched"),
    (f'deadline: {{{CRON}, due: "{{% $scheduled.x %}}"}}', "uses $scheduled.x, which a time of the cron does not"),
    (f'deadline: {{{CRON}, due: "{{% $object.key %}}"}}', "uses $object, which is not a variable here; use $scheduled"),
    (f'deadline: {{{CRON}, due: "{{% $scheduled %}}"}}', "does not give a by or a list of them; write texts, as in"),
    (
        'deadline: {cron: "0 8,20 * * ? *", timezone: UTC, due: "{% $scheduled.days %}"}',
        "collect.deadline.due: uses $scheduled.days, but the cron fires more than once a day; name one minute and one",
    ),
    (
        'deadline: {cron: "0 8 31W * ? *", timezone: UTC, due: "{% $scheduled.days %}"}',
        "uses $scheduled.days, but AWS does not document which days 31W is; write LW or another day",
    ),
]

TRIGGERS = [
    (BOTH, "when.all: needs a collect with a deadline; write collect: {deadline: {after: 7 days}}"),
    (
        BOTH + "    collect: {}\n",
        "collect: needs a deadline, because a part may never come; write deadline: {after: 7 days}",
    ),
    (BOTH + f"    collect: {{part: a, {DEADLINE}}}\n", "collect.part: is for one source; the names in when.all are"),
    (
        BOTH + f"    collect: {{expect: 2, {DEADLINE}}}\n",
        "collect.expect: is for one source; the names in when.all",
    ),
    (BOTH + f"    collect: {{by: {{data: a}}, {DEADLINE}}}\n", "collect.by: lacks model; write the by of each part in"),
    (
        BOTH + f"    collect: {{{DEADLINE}}}\n    if: {{x: y}}\n",
        "if.x: is not a name in when.all; use one of",
    ),
    (
        ALL + f"    collect: {{{DEADLINE}}}\n    start_one_of: [churn-a]\n",
        "start_one_of: is for publishers' requests; write when: {sns: {}}, or leave it out",
    ),
    (
        BOTH.replace("model_package: {approval: approved}", "sns: {}") + f"    collect: {{{DEADLINE}}}\n",
        "when.all.model: can't be the stack's own topic, whose requests are not collected; name a topic",
    ),
    (
        BOTH.replace("model_package: {approval: approved}", "all: {a: {s3: {bucket: raw}}}")
        + f"    collect: {{{DEADLINE}}}\n",
        "when.all.model: can't hold all itself; write its sources beside this one",
    ),
    (
        "    when: {sns: {}}\n    start: churn-training\n    collect: {}\n",
        "collect: does not apply to requests on the stack's own topic, which are not collected; leave it out",
    ),
    (
        UPLOAD + "    collect: {}\n    when_busy: skip\n",
        "when_busy: skips single events, but a batch waits for its turn; leave it out",
    ),
    (UPLOAD + "    when_busy: never\n", "when_busy: is 'never'; write wait or skip"),
    (UPLOAD + "    if: {a: b}\n", "if.a: is not a name in when.all; write one value"),
]

PARAMETERS = [
    ("$.detail.x", "is a path into one event, and this is computed of a batch; write {% $batch.… %}"),
    ("{% $object.key %}", "uses $object, which is not a variable here; use $batch"),
    ("{% detail.x %}", "uses detail, which a complete batch does not have; use the fields of $batch"),
    ("{% $batch.cuont %}", "uses $batch.cuont, which a complete batch does not have; $batch has by, bytes"),
    ("{% $batch.missing %}", "gives a list on a complete batch, not one value; name one item or field"),
    ("{% $batch.missing[0] %}", "resolves to nothing on a complete batch; use the fields of $batch"),
    ("{% $join($batch.missing, ',') %}", "is empty on a complete batch, and SageMaker refuses empty values; guard it"),
    ("{% $join($batch.parts, ',') %}", "is empty on an empty batch, and SageMaker refuses empty values; guard it"),
    (
        "{% $count($batch.parts) = 1 ? '' : 'x' %}",
        "is empty on an incomplete batch, and SageMaker refuses empty values; guard it",
    ),
]


def refused(directory: Path, trigger: str, message: str) -> None:
    """Check that a trigger has this problem and no other."""
    (problem,) = problems(directory, HEAD + trigger)
    assert message in problem


@pytest.mark.parametrize(("fields", "message"), COLLECTS)
def test_a_wrong_collect_is_refused(tmp_path: Path, fields: str, message: str) -> None:
    """Each field is refused where it has no meaning, with what to do."""
    refused(tmp_path, UPLOAD + f"    collect: {{{fields}}}\n", message)


@pytest.mark.parametrize(("deadline", "message"), DEADLINES)
def test_a_wrong_deadline_is_refused(tmp_path: Path, deadline: str, message: str) -> None:
    """A deadline says when, and of which batches."""
    refused(tmp_path, UPLOAD + f'    collect: {{by: "{DAY}", {JOIN}, {deadline}}}\n', message)


def test_a_deadline_with_a_cron_needs_a_by(tmp_path: Path) -> None:
    """It asks for batches by name."""
    fields = f'{JOIN}, deadline: {{{CRON}, due: "{{% $scheduled.days %}}"}}'
    refused(
        tmp_path,
        UPLOAD + f"    collect: {{{fields}}}\n",
        "due: gives a by, but this trigger has none; write collect.by",
    )


@pytest.mark.parametrize(("trigger", "message"), TRIGGERS)
def test_what_does_not_go_together_is_refused(tmp_path: Path, trigger: str, message: str) -> None:
    """Several sources, batches and requests each have their own rules."""
    refused(tmp_path, trigger, message)


@pytest.mark.parametrize(("value", "message"), PARAMETERS)
def test_a_parameter_that_a_batch_does_not_give_is_refused(tmp_path: Path, value: str, message: str) -> None:
    """It is evaluated on a complete, an incomplete and an empty batch."""
    trigger = UPLOAD + f'    collect: {{by: "{DAY}", {JOIN}, {DEADLINE}}}\n    parameters: {{A: "{value}"}}\n'
    refused(tmp_path, trigger, message)


def test_the_other_computed_fields_see_the_batch_too(tmp_path: Path) -> None:
    """The display name is one of them."""
    trigger = UPLOAD + '    collect: {}\n    display_name: "{% $object.name %}"\n'
    refused(tmp_path, trigger, "display_name: '{% $object.name %}' uses $object, which is not a variable here")


@pytest.mark.parametrize(
    "value",
    [
        "{% $batch.id & $batch.by & $batch.count & $batch.bytes & $batch.prefix & $batch.revision %}",
        "{% $batch.manifest & $batch.events %}",
        "{% $count($batch.missing) > 0 ? $join($batch.missing, ',') : 'none' %}",
        "{% $batch.first.object.key & $batch.last.object.key %}",
        "literal",
    ],
)
def test_each_field_of_a_batch_can_be_used(tmp_path: Path, value: str) -> None:
    """A list needs a guard for when it is empty."""
    trigger = UPLOAD + f'    collect: {{by: "{DAY}", {JOIN}, {DEADLINE}}}\n    parameters: {{A: "{value}"}}\n'
    assert problems(tmp_path, HEAD + trigger) == []


def test_either_event_of_several_sources_may_be_the_first(tmp_path: Path) -> None:
    """What only one source binds needs a guard."""
    collect = BOTH + f"    collect: {{{DEADLINE}}}\n"
    for end in ("first", "last"):
        value = f"{{% $batch.{end}.object.key %}}"
        (problem,) = problems(tmp_path, HEAD + collect + f'    parameters: {{A: "{value}"}}\n')
        assert f"uses $batch.{end}, which " in problem or f"uses $batch.{end}.object, which " in problem
        guarded = f"{{% $exists($batch.{end}.object.key) ? $batch.{end}.object.key : 'none' %}}"
        assert problems(tmp_path, HEAD + collect + f'    parameters: {{A: "{guarded}"}}\n') == []


def test_the_names_of_parts_fit_into_one_item(tmp_path: Path) -> None:
    """A thousand names of 64 letters are fine, unless each letter takes three bytes."""
    for letter, found in (("a", []), ("€", ["has names of 186000 bytes; a batch holds 100000, so shorten them"])):
        names = ", ".join(f"{number:03}{letter * 61}" for number in range(1000))
        fields = f'part: "{REGION}", expect: [{names}], {DEADLINE}'
        text = HEAD + UPLOAD + f"    collect: {{{fields}}}\n"
        expected = [f"churn.yaml:8: triggers.retrain.collect.expect: {message}" for message in found]
        assert problems(tmp_path, text) == expected


def test_a_manifest_is_of_one_bucket(tmp_path: Path) -> None:
    """Uploads that a topic reports may be in any bucket, and other sources have no objects at all."""
    uses = '    start: churn-training\n    parameters: {A: "{% $batch.manifest %}"}\n'
    topic = "sns: {topic: 'arn:aws:sns:eu-central-1:123456789012:uploads'}"
    for when, refused_ in (
        ("s3: {bucket: raw}", False),
        (topic, True),
        ("all: {a: {s3: {bucket: raw, key: a}}, b: {s3: {bucket: raw, key: b}}}", False),
        ("all: {a: {s3: {bucket: raw}}, b: {s3: {bucket: other}}}", True),
        ("all: {a: {s3: {bucket: raw}}, b: {model_package: {approval: approved}}}", True),
    ):
        deadline = DEADLINE if when.startswith("all") else ""
        found = problems(tmp_path, HEAD + f"    when: {{{when}}}\n    collect: {{{deadline}}}\n{uses}")
        assert ["uses $batch.manifest, which a complete batch does not have" in problem for problem in found] == (
            [True] if refused_ else []
        )


LIMITS = [
    ("churn-a: {}", "limits.churn-a: is empty; fill it in: What a pipeline allows"),
    ("churn-a: {max_running: 0}", "limits.churn-a.max_running: is '0'; write a whole number, 1 or more"),
    ("churn-a: {max_per_day: 5001}", "limits.churn-a.max_per_day: is 5001; write 5000 at most, or leave it out"),
    ("churn-a: {min_interval: soon}", "limits.churn-a.min_interval: is 'soon'; write a whole number of minutes, hours"),
    ("churn-a: {max_runing: 1}", "limits.churn-a.max_runing: is not a known field; did you mean max_running?"),
    ("ltv: {max_running: 1}", "limits.ltv: this file may not start ltv; add it to pipelines (churn-*)"),
    ('"${Nmae}": {max_running: 1}', "has no value in stages.yaml"),
    ('"${RawBucket}": {max_running: 1}', "this file may not start raw-dev; add it to pipelines (churn-*)"),
]


@pytest.mark.parametrize(("limits", "message"), LIMITS)
def test_wrong_limits_are_refused(tmp_path: Path, limits: str, message: str) -> None:
    """They are of a pipeline that the document may start, as each stage names it."""
    found = problems(tmp_path, HEAD + UPLOAD + f"limits: {{{limits}}}\n")
    assert found
    assert message in found[0]


def test_a_pipeline_has_limits_in_one_document(tmp_path: Path) -> None:
    """Two names may be one pipeline's in one of the stages."""
    stages = "dev: {Training: churn-training}\nprod: {Training: churn-prod}\n"
    other = HEAD.replace("retrain", "other") + UPLOAD + 'limits: {"${Training}": {max_running: 2}}\n'
    (tmp_path / "aside.yaml").write_text(other, encoding="utf-8")
    text = HEAD + UPLOAD + "limits: {churn-training: {max_running: 1}}\n"
    (problem,) = problems(tmp_path, text, stages=stages)
    assert problem.startswith("churn.yaml:8: limits.churn-training: churn-training has limits in ")
    assert problem.endswith("aside.yaml:8 already; keep one of them")


def test_a_limited_pipeline_is_not_started_directly(tmp_path: Path) -> None:
    """AWS knows nothing of its limits."""
    direct = UPLOAD.replace("/*/*/_SUCCESS", "/**") + "    delivery: direct\n"
    (problem,) = problems(tmp_path, HEAD + direct + "limits: {churn-training: {max_running: 1}}\n")
    assert problem.endswith("delivery: can't be direct: churn-training has limits, which need a handler; remove it")


def test_a_batch_needs_a_handler(tmp_path: Path) -> None:
    """AWS itself neither collects nor waits."""
    direct = BOTH + f"    collect: {{{DEADLINE}}}\n    delivery: direct\n    when_busy: wait\n"
    found = problems(tmp_path, HEAD + direct)
    assert [problem.partition(": triggers.retrain.")[2] for problem in found] == [
        "collect: needs a handler, which direct delivery bypasses; remove it, or remove delivery: direct",
        "delivery: can't be direct for all: it waits for several events; remove it",
        "when_busy: needs a handler, which direct delivery bypasses; remove it, or remove delivery: direct",
    ]


def test_the_documents_hold_what_was_written(tmp_path: Path) -> None:
    """Durations are seconds; a field that is one value for all parts is each part's."""
    by = "{% $exists(time) ? 'a' : 'b' %}"
    text = (
        HEAD
        + BOTH
        + f'    collect: {{by: "{by}", deadline: {{after: 7 days}}}}\n'
        + "    when_busy: wait\n"
        + "limits: {churn-training: {max_running: 1, min_interval: 6 hours, max_per_day: 10}}\n"
    )
    assert problems(tmp_path, text) == []
    documents = loader.load(tmp_path)
    (trigger,) = documents.triggers
    assert trigger.collect
    assert trigger.collect.deadline
    assert (trigger.collect.deadline.after, trigger.collect.late) == (7 * 86400, "new")
    assert [part.by for part in trigger.all_of.values()] == [by, by]
    limits = documents.limits["churn-training"]
    assert (limits.max_running, limits.min_interval, limits.max_per_day) == (1, 21600, 10)
