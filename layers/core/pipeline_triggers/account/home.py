"""The account and Region that the credentials and the settings name."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline_triggers import aws


@dataclass(frozen=True, slots=True)
class Home:
    """An account and Region, and the partition (``aws``, ``aws-cn``, …) that they are in."""

    partition: str
    account: str
    region: str

    def pseudo_parameters(self) -> dict[str, str]:
        """Return what CloudFormation knows here under these names."""
        return {"AWS::Partition": self.partition, "AWS::AccountId": self.account, "AWS::Region": self.region}


def current() -> Home:
    """Ask AWS which account this is.

    Raises:
        botocore.exceptions.BotoCoreError, ClientError: the request to AWS failed.

    """
    identity = aws.sts().get_caller_identity()
    return Home(identity["Arn"].split(":")[1], identity["Account"], aws.sagemaker().meta.region_name)
