"""Probes of pipelines and their executions: tokens, listing, letter case, spellings, status events."""

from __future__ import annotations

import hashlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline_triggers import aws
from pipeline_triggers.starts.ledger import LISTING_BOUND
from pipeline_triggers.starts.plan import MAX_DESCRIPTION_LENGTH

from tests.verify_aws.account import NAME, Account, error_of
from tests.verify_aws.probe import Answers, Probe

CALLS_UNTIL_THROTTLED = 400
SPELLINGS = ("True", "False", "true", "TRUE", "1", "yes")


def _token(account: Account) -> Answers:
    pipeline, token = account.pipeline(), _token_of(account)
    first = account.start(pipeline, token)
    answers: Answers = {"first": first, "at_once": account.start(pipeline, token)}
    answers["other_parameters"] = error_of(account.start, pipeline, token, Text="other") or "accepted"
    account.sleep(15 * 60)
    answers["after_15_minutes"] = account.start(pipeline, token)
    return answers


def _token_of(account: Account) -> str:
    """Return the same token in every run, so that one a day later repeats it."""
    return hashlib.sha256(f"{NAME} {account.id} {account.region}".encode()).hexdigest()


def _token_difference(answers: Answers) -> str | None:
    """The token is only the second guard: whatever SageMaker forgets, the ledger remembers."""
    if answers["at_once"] != answers["first"]:
        return "a token started a second execution at once"
    if answers["after_15_minutes"] != answers["first"]:
        return "a token started a second execution after 15 minutes"
    return None


def _day_later(account: Account) -> Answers:
    """Repeat the token of a run that kept its pipeline."""
    listed = account.client("sagemaker").list_pipeline_executions(PipelineName=NAME, MaxResults=100)
    earlier = [one["PipelineExecutionArn"] for one in listed["PipelineExecutionSummaries"]]
    return {"earlier": earlier, "after_a_day": account.start(NAME, _token_of(account))}


def _day_later_difference(answers: Answers) -> str | None:
    if not answers["earlier"]:
        return "the run before has not started the pipeline"
    return None if answers["after_a_day"] in answers["earlier"] else "a token started a second execution after a day"


def _listing(account: Account) -> Answers:
    pipeline, token = account.pipeline(), uuid.uuid4().hex
    end = f"identity {uuid.uuid4().hex}"
    description = "d" * (MAX_DESCRIPTION_LENGTH - len(end)) + end
    started = account.start(pipeline, token, description)

    def listed() -> dict[str, Any] | None:
        page = account.client("sagemaker").list_pipeline_executions(PipelineName=pipeline, MaxResults=100)
        found = [one for one in page["PipelineExecutionSummaries"] if one["PipelineExecutionArn"] == started]
        return dict(found[0]) if found else None

    summary, late = account.wait_for("the execution in the list", listed, 2 * LISTING_BOUND)
    shown = summary.get("PipelineExecutionDescription", "")
    return {"late_by_seconds": round(late, 1), "sent_length": len(description), "shown_length": len(shown),
            "shown_end": shown[-len(end) :], "sent_end": end}  # fmt: skip


def _listing_difference(answers: Answers) -> str | None:
    if answers["late_by_seconds"] > LISTING_BOUND:
        return f"an execution was listed after {answers['late_by_seconds']} s, later than LISTING_BOUND"
    if answers["shown_end"] != answers["sent_end"]:
        return "the list lacks the end of the description, which identifies the start"
    return None


def _letter_case(account: Account) -> Answers:
    sagemaker = account.client("sagemaker")
    name = account.pipeline("-Case")
    described = sagemaker.describe_pipeline(PipelineName=name)["PipelineArn"]
    allowed = {
        spelling: _may_describe(account, name, account.arn("sagemaker", f"pipeline/{resource}"))
        for spelling, resource in (("as_named", name), ("lower_case", name.lower()))
    }
    return {"name": name, "described": described, "execution": account.start(name, uuid.uuid4().hex), **allowed}


def _may_describe(account: Account, pipeline: str, resource: str) -> bool:
    """Whether a session that may describe this resource only may describe the pipeline."""
    role = account.role("case", "", [{"Effect": "Allow", "Action": "sagemaker:DescribePipeline", "Resource": "*"}])
    statement = {"Effect": "Allow", "Action": "sagemaker:DescribePipeline", "Resource": resource}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    def session() -> dict[str, str] | None:
        taken: list[dict[str, str]] = []
        sts = account.client("sts")
        refusal = error_of(
            lambda: taken.append(sts.assume_role(RoleArn=role, RoleSessionName="case", Policy=policy)["Credentials"])
        )
        return None if refusal else taken[0]

    keys, _ = account.wait_for("the role's session", session, 60)
    sagemaker = account.client_with(keys, "sagemaker")
    return not error_of(sagemaker.describe_pipeline, PipelineName=pipeline)


def _letter_case_difference(answers: Answers) -> str | None:
    if answers["described"].rpartition("/")[2].lower() != answers["name"].lower():
        return "a pipeline's ARN does not end with its name"
    if not (answers["as_named"] or answers["lower_case"]):
        return "IAM matches neither spelling of the ARN"
    return None


def _spellings(account: Account) -> Answers:
    pipeline = account.pipeline()
    flags = {spelling: error_of(account.start, pipeline, uuid.uuid4().hex, Flag=spelling) for spelling in SPELLINGS}
    empty = error_of(account.start, pipeline, uuid.uuid4().hex, Text="")
    return {"flags": flags, "empty_text": empty, "throttle": _throttle(account, pipeline)}


def _throttle(account: Account, pipeline: str) -> Answers:
    """Return SageMaker's refusal of too many calls at once; nothing when it refused none."""
    sagemaker = account.client("sagemaker")
    calls = round(CALLS_UNTIL_THROTTLED * account.pace) or 1

    def describe(_: int) -> Answers:
        return error_of(sagemaker.describe_pipeline, PipelineName=pipeline)

    with ThreadPoolExecutor(20) as threads:
        return next((refusal for refusal in threads.map(describe, range(calls)) if refusal), {})


def _spellings_difference(answers: Answers) -> str | None:
    refused = [spelling for spelling in ("True", "False") if answers["flags"][spelling]]
    if refused:
        return f"SageMaker refuses the Boolean {', '.join(refused)}, which is how the code spells it"
    if answers["empty_text"] and answers["empty_text"]["code"] != "ValidationException":
        return f"an empty value is refused with {answers['empty_text']['code']}"
    if answers["throttle"] and answers["throttle"]["code"] not in aws.THROTTLED:
        return f"throttling has the code {answers['throttle']['code']}, which the code takes for a refusal"
    return None


def _status_event(account: Account) -> Answers:
    pipeline = account.pipeline()
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Model Building Pipeline Execution Status Change"],
    }
    queue = account.listen("statuses", pattern)
    description = f"depth 3, identity {uuid.uuid4().hex}"
    execution = account.start(pipeline, uuid.uuid4().hex, description)

    def concerns(event: Any) -> bool:
        return bool(event["detail"]["pipelineExecutionArn"].lower() == execution.lower())

    return {"sent": description, "event": account.next_event(queue, concerns, 600)}


def _status_event_difference(answers: Answers) -> str | None:
    if answers["event"]["detail"].get("pipelineExecutionDescription") != answers["sent"]:
        return "the event does not carry the execution's description"
    return None


PROBES = [
    Probe(
        "A",
        "Does StartPipelineExecution return the first execution for a token that it knows: at once, and after 15"
        " minutes?",
        "It does. The ledger does not depend on it.",
        "starts/start.py, starts/plan.py (token_of)",
        "Search for the first execution before every retry, not only before the second one.",
        _token,
        _token_difference,
    ),
    Probe(
        "B",
        "How late does ListPipelineExecutions list an execution, and is a description of 3,072 characters whole there?",
        f"Within {LISTING_BOUND} s, with the end of the description, which identifies the start.",
        "starts/ledger.py (LISTING_BOUND), starts/plan.py (_description)",
        "Raise LISTING_BOUND and the queues' VisibilityTimeout, or shorten MAX_DESCRIPTION_LENGTH.",
        _listing,
        _listing_difference,
    ),
    Probe(
        "E",
        "In which letter case are pipeline ARNs, and which does IAM match?",
        "As named or in lower case. Policies grant both, and the janitor ignores case.",
        "compile/cloudformation.py (spellings), account/pipelines.py",
        "Add the spelling that AWS uses to spellings and to Pipeline.arns.",
        _letter_case,
        _letter_case_difference,
    ),
    Probe(
        "F",
        "Which spellings of a Boolean does StartPipelineExecution accept, does it take an empty value, and how does it"
        " throttle?",
        "True and False are accepted, an empty value at most a ValidationException, and a throttle has a known code.",
        "starts/definition.py (fit), aws.py (PERMANENT, THROTTLED)",
        "Spell Booleans as AWS accepts them; add the code of a throttle to THROTTLED.",
        _spellings,
        _spellings_difference,
    ),
    Probe(
        "G",
        "Does an execution's status event carry its description?",
        "It does. The description holds how many executions led to this one.",
        "language/sources/pipeline.py, starts/plan.py (MAX_DEPTH)",
        "Describe the execution of each status event to read that number.",
        _status_event,
        _status_event_difference,
    ),
]

# For a run of its own.
DAY_LATER = Probe(
    "A-day",
    "Does StartPipelineExecution still return the first execution for its token after a day?",
    "It does. The ledger does not depend on it.",
    "starts/start.py, starts/plan.py (token_of)",
    "Say so in docs/architecture.md; nothing else.",
    _day_later,
    _day_later_difference,
)
