"""What the compiled triggers keep of the documents' triggers."""

from pipeline_triggers.language import triggers_json
from pipeline_triggers.models import Collect, Deadline, Limits, Part, Start, Trigger, When

STAGES = {"dev": {"Raw": "raw-dev", "Training": "sales-training"}}
UPLOAD = When("s3", {"bucket": "${Raw}", "key": "sales/*/part-*.parquet"})
START = (Start("sales-training", {"Manifest": "{% $batch.manifest %}"}),)


def loaded(trigger: Trigger) -> Trigger:
    """Write a trigger and read it back."""
    return triggers_json.load(triggers_json.dump([trigger], STAGES), "dev", {})[trigger.id]


def test_a_collecting_trigger_comes_back_as_written() -> None:
    """Everything that decides how events become batches survives, with its stage's values."""
    deadline = Deadline(cron="cron(0 8 ? * MON-FRI *)", timezone="Europe/Berlin", due="{% $scheduled.days %}")
    collect = Collect(by="{% $object.key %}", part="{% $object.size %}", expect=("emea", "apac"), deadline=deadline)
    read = loaded(Trigger("sales/day", UPLOAD, START, collect=collect, when_busy="skip"))
    assert read.when.fields["bucket"] == "raw-dev"
    assert (read.collect, read.when_busy) == (collect, "skip")


def test_a_trigger_with_several_sources_is_a_plain_trigger_for_each_of_them() -> None:
    """Each view has its part's source, condition and ``by``; together they expect all parts."""
    parts = {
        "data": Part(UPLOAD, condition="{% $object.size > 0 %}", by="{% $object.key %}"),
        "approval": Part(When("model_package", {"group": "sales"})),
    }
    read = loaded(Trigger("sales/deploy", When("all", {}), START, collect=Collect(late="new"), all_of=parts))
    data, approval = read.views()
    assert (data.part, data.when.source, data.when.fields["bucket"]) == ("data", "s3", "raw-dev")
    assert (data.condition, approval.condition) == ("{% $object.size > 0 %}", None)
    assert data.collect
    assert data.collect.by == "{% $object.key %}"
    assert data.collect.expect == ("data", "approval")
    assert (approval.part, approval.when.source) == ("approval", "model_package")


def test_limits_are_those_of_a_stages_pipelines() -> None:
    """A pipeline's name may differ per stage, and so may its limits' key."""
    text = triggers_json.dump([], STAGES, {"${Training}": Limits(max_running=1, min_interval=21600)})
    assert triggers_json.load_limits(text, "dev", {}) == {"sales-training": Limits(max_running=1, min_interval=21600)}
    assert triggers_json.load_limits(triggers_json.dump([], STAGES), "dev", {}) == {}
