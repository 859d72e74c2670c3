"""A batch that a wrong document kept from starting goes on once the corrected one is deployed."""

from __future__ import annotations

from collections.abc import Callable

from tests.localaws.local_aws import LocalAws, pipeline_definition
from tests.localaws.project import Project

STACK = "correcting"

JOIN = """
  regions:
    when: {{s3: {{bucket: "${{RawBucket}}", key: "correcting/*/*"}}}}
    collect:
      by: "{{% $split($object.key, '/')[1] %}}"
      part: "{{% $split($object.key, '/')[2] %}}"
      expect: [emea, apac]
      deadline: {{after: 7 days}}
    start: corrected
    parameters: {{By: "{by}", Files: "{{% $batch.count %}}"}}
"""
WRONG = JOIN.format(by="{% $batch.by = 'monday' ? $error('no data') : $batch.by %}")
RIGHT = JOIN.format(by="{% $uppercase($batch.by) %}")


def test_a_corrected_document_lets_batches_go_on(aws: LocalAws, new_project: Callable[[], Project]) -> None:
    """The complete one is rejected and starts when it is redriven; the incomplete one starts with its last part."""
    aws.create_pipeline("corrected", pipeline_definition({"By": "String", "Files": "String"}))
    project = new_project()
    project.compile(WRONG)
    project.deploy(aws, STACK)

    def upload(*keys: str) -> None:
        for key in keys:
            aws.client("s3").put_object(Bucket="raw-dev", Key=f"correcting/{key}", Body=b"a,b\n")
        verdicts = aws.new_verdicts(STACK, "team/regions", len(keys))
        assert {verdict["outcome"] for verdict in verdicts} == {"COLLECTED"}

    def started() -> dict[str, str]:
        (verdict,) = aws.new_verdicts(STACK, "team/regions", 1, "OnBatch")
        assert verdict["outcome"] == "STARTED"
        return aws.execution_parameters(verdict["execution_arn"])

    upload("tuesday/emea", "monday/emea", "monday/apac")
    (rejected,) = aws.new_verdicts(STACK, "team/regions", 1, "OnBatch")
    assert rejected["outcome"] == "REJECTED"
    assert "no data" in rejected["reason"]

    project.compile(RIGHT)
    project.deploy(aws, STACK)
    done = aws.triggers("redrive", "--stack", STACK)
    assert done.returncode == 0, done.stderr
    assert started() == {"By": "MONDAY", "Files": "2"}
    upload("tuesday/apac")
    assert started() == {"By": "TUESDAY", "Files": "2"}
