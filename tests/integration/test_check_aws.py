"""``triggers check --aws`` and the command that it prints, against the embedded AWS."""

from __future__ import annotations

from collections.abc import Callable

from tests.localaws import REGION
from tests.localaws.local_aws import LocalAws, pipeline_definition
from tests.localaws.project import Project

TRIGGERS = """
  one:
    when: {s3: {bucket: silent-bucket, key: "in/*"}}
    start: checked
  two:
    when: {s3: {bucket: no-such-bucket, key: "in/*"}}
    start: no-such-pipeline
"""


def test_missing_resources_are_reported_before_the_deploy(aws: LocalAws, new_project: Callable[[], Project]) -> None:
    """Pipelines, buckets, and a bucket that sends no events, each with its remedy."""
    aws.client("s3").create_bucket(Bucket="silent-bucket", CreateBucketConfiguration={"LocationConstraint": REGION})
    aws.create_pipeline("checked", pipeline_definition({}))
    project = new_project()
    project.compile(TRIGGERS)
    check = ("check", "--aws", "--documents", str(project.documents))
    checked = aws.triggers(*check)
    assert checked.returncode == 1
    lines = checked.stderr.splitlines()
    where = f"{project.documents}/team.yaml"
    assert lines[0] == "Found 3 problems"
    assert lines[1].startswith(f"{where}:7: triggers.one.when.s3.bucket: bucket silent-bucket does not send its events")
    assert lines[2].startswith(f"{where}:10: triggers.two.when.s3.bucket: bucket no-such-bucket does not exist")
    assert lines[3].startswith(
        f"{where}:11: triggers.two.start: pipeline no-such-pipeline does not exist in eu-central"
    )

    aws.create_pipeline("no-such-pipeline", pipeline_definition({}))
    aws.create_bucket("no-such-bucket")
    aws.client("s3").put_bucket_notification_configuration(
        Bucket="silent-bucket", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    assert aws.triggers(*check).stdout == "2 triggers OK\n"


def test_a_missing_trail_is_reported(aws: LocalAws, new_project: Callable[[], Project]) -> None:
    """Until one logs management events, those that write among them."""
    aws.create_pipeline("checked", pipeline_definition({}))
    project = new_project()
    project.compile("  one:\n    when: {sns: {}}\n    start: checked\n")
    cloudtrail = aws.client("cloudtrail")

    def notes() -> int:
        checked = aws.triggers("check", "--aws", "--documents", str(project.documents))
        assert checked.returncode == 0, checked.stderr
        return checked.stderr.count("no CloudTrail trail logs management events here")

    assert notes() == 1
    aws.client("s3").create_bucket(Bucket="trails", CreateBucketConfiguration={"LocationConstraint": REGION})
    cloudtrail.create_trail(Name="all", S3BucketName="trails", IsMultiRegionTrail=True)
    assert notes() == 1
    cloudtrail.start_logging(Name="all")
    selector = {"ReadWriteType": "ReadOnly", "IncludeManagementEvents": True}
    cloudtrail.put_event_selectors(TrailName="all", EventSelectors=[selector])
    assert notes() == 1
    cloudtrail.put_event_selectors(TrailName="all", EventSelectors=[{**selector, "ReadWriteType": "All"}])
    assert notes() == 0
    cloudtrail.delete_trail(Name="all")  # other tests of this AWS look for one, too
