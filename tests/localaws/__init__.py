"""The embedded AWS: ministack, with moto's SageMaker mounted in it, in one process on one loopback port.

No docker, no account, no network. ``local_aws`` starts it, ``sam`` deploys to it, boto3 talks to it.
``engine`` is the process; ``patches`` is what had to be changed in the two emulators.
"""

ACCOUNT = "123456789012"
REGION = "eu-central-1"
HOST = "127.0.0.1"
STACK = "pipeline-triggers-dev"  # what make run deploys
