"""What keeps the promises, guard by guard: where it is, what takes it out, and which tests then fail."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from tests import PROJECT
from tests.simulation.changes import (
    Change,
    Lost,
    always,
    argument,
    call,
    changed,
    condition,
    does_nothing,
    later,
    never,
    returns,
    value,
    without_call,
    without_element,
    without_loop,
)

CORE = PROJECT / "layers" / "core"
PACKAGE = "pipeline_triggers"


@dataclass(frozen=True, slots=True)
class Guard:
    """What keeps a promise: a symbol of the library, as ``changes`` names them, and the change that takes it out.

    ``tests`` are pytest's names of tests, at least one of which must then fail.
    """

    name: str
    symbol: str
    change: Change
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """The module's full name."""
        return f"{PACKAGE}.{self.symbol.partition(':')[0]}"

    def removed_from(self, source: str) -> ast.Module:
        """Return the module without the guard.

        Raises:
            Lost: the code does not have what the guard names.

        """
        try:
            return changed(source, self.symbol.partition(":")[2], self.change)
        except Lost as error:
            raise Lost(f"{self.symbol}: {error}") from error


DELIVERY = "tests/unit/delivery/test_handler.py::test_"
FAULTS = "tests/simulation/test_faults.py::test_"
COLLECTING = "tests/unit/delivery/test_collecting.py::test_"
BATCH_HANDLER = "tests/unit/batches/test_handler.py::test_"
BOOKKEEPING = "tests/simulation/test_bookkeeping.py::test_"
START = "tests/unit/starts/test_start.py::test_"
JANITOR = "tests/unit/janitor/"


GUARDS: tuple[Guard, ...] = (
    Guard(
        "ledger: what was begun before is known",
        "starts.ledger:begin",
        argument("put_item", "ConditionExpression", None),
        (f"{DELIVERY}a_repeated_delivery_starts_nothing_more",),
    ),
    Guard(
        "ledger: kept longer than a message can live",
        "starts.ledger:KEPT",
        value("14 * 24 * 3600"),
        (f"{FAULTS}a_message_that_is_redriven_after_its_longest_life_starts_nothing",),
    ),
    Guard(
        "ledger: botocore's retry of a write meets its own",
        "starts.ledger:_take_over",
        never("nonce", "get", at=0),
        (f"{BOOKKEEPING}a_start_whose_beginning_got_no_answer_goes_on",),
    ),
    Guard(
        "ledger: what an earlier delivery began is not forgotten",
        "starts.ledger:release",
        never("resumed"),
        (f"{BOOKKEEPING}an_earlier_delivery_s_start_is_looked_for_again",),
    ),
    Guard(
        "ledger: nobody gives back what is another's",
        "starts.ledger:release",
        argument("delete_item", "ConditionExpression", None),
        (f"{BOOKKEEPING}a_start_is_given_back_by_who_holds_it",),
    ),
    Guard(
        "lease: a start is left to who began it",
        "starts.ledger:_take_over",
        never("now", "lease"),
        (f"{FAULTS}a_second_delivery_in_the_middle_of_the_first_waits",),
    ),
    Guard(
        "lease: of two that take it over, one wins",
        "starts.ledger:_take_over",
        argument("update_item", "ConditionExpression", '"attribute_not_exists(execution)"'),
        (f"{FAULTS}of_two_that_take_over_a_start_one_wins",),
    ),
    Guard(
        "lease: clocks differ",
        "starts.ledger:CLOCK_SKEW",
        value("0"),
        (f"{BOOKKEEPING}differing_clocks_start_nothing_twice",),
    ),
    Guard(
        "search: an execution that was not recorded is found",
        "starts.start:_started_before",
        never("resumed"),
        (f"{FAULTS}a_fault_at_any_call_loses_nothing_and_repeats_nothing",),
    ),
    Guard(
        "search: on every page",
        "starts.start:_find",
        argument("paginate", "PaginationConfig", '{"PageSize": 100, "MaxItems": 100}'),
        (f"{FAULTS}a_start_that_broke_off_is_found_among_thousands",),
    ),
    Guard(
        "search: no longer than there is time",
        "starts.start:_need_time_for_a_page",
        never("time_left"),
        (f"{FAULTS}a_search_that_takes_too_long_waits",),
    ),
    Guard(
        "identity: not the position in the list",
        "starts.plan:token_of",
        call("count", "target"),
        (f"{FAULTS}a_redrive_after_a_fix_of_the_pipelines_starts_nothing_twice",),
    ),
    Guard(
        "identity: the first name of a renamed trigger",
        "models:Trigger.first_id",
        returns("self.id"),
        ("tests/simulation/test_renames.py::test_a_duplicate_under_another_name_is_a_duplicate",),
    ),
    Guard(
        "backfill: what an object's own event has started is known",
        "operations.backfill:Target.is_done",
        returns("False"),
        ("tests/simulation/test_backfill.py::test_what_its_own_event_has_started_is_not_started_again",),
    ),
    Guard(
        "renamed trigger: events under its former names are its own",
        "models:named",
        returns("triggers.get(name)"),
        ("tests/simulation/test_renames.py::test_a_duplicate_under_another_name_is_a_duplicate",),
    ),
    Guard(
        "no start is called again by botocore",
        "aws:starter",
        call("merge", "_CONFIG"),
        ("tests/unit/test_aws.py::test_a_start_is_never_called_again_by_botocore",),
    ),
    Guard(
        "no start is counted twice by botocore",
        "aws:counters",
        call("merge", "_QUICK"),
        (f"{BOOKKEEPING}a_count_whose_answer_is_lost_is_not_made_twice",),
    ),
    Guard(
        "waiting: a pipeline that is being updated",
        "aws:_TRANSIENT",
        without_element("ConflictException"),
        ("tests/unit/test_aws.py::test_failures_are_classified",),
    ),
    Guard(
        "waiting: what can't be reached",
        "aws:is_transient",
        without_element("ConnectionError"),
        ("tests/unit/test_aws.py::test_failures_are_classified",),
    ),
    Guard(
        "waiting: what may have been started is not given up by its age",
        "delivery.decision:_longest_wait",
        returns("settings().give_up_after"),
        (f"{BOOKKEEPING}possible_starts_are_looked_for_beyond_the_age",),
    ),
    Guard(
        "rate: callers come apart",
        "starts.start:execute",
        call("uniform", "longest_pause"),
        (f"{START}a_throttled_start_is_retried_while_there_is_time",),
    ),
    Guard(
        "crashes: a function that always crashes is given up",
        "delivery.decision:_admitted_targets",
        never("crashes"),
        (f"{FAULTS}a_function_that_always_crashes_is_given_up_with_what_is_known",),
    ),
    Guard(
        "crashes: an end in order is not one",
        "delivery.attempts:waits",
        does_nothing(),
        (f"{BOOKKEEPING}hours_of_throttling_give_up_nothing",),
    ),
    Guard(
        "crashes: a message counts its own",
        "delivery.attempts:decided",
        does_nothing(),
        (f"{BOOKKEEPING}a_message_that_kills_the_function_takes_no_other_along",),
    ),
    Guard(
        "verdicts: what was started is not refused",
        "delivery.decision:Target.started_before",
        returns("None"),
        (f"{BOOKKEEPING}a_started_event_is_not_rejected_when_delivered_again",),
    ),
    Guard(
        "verdicts: what was started is not given up by age, behind another pipeline that takes all the time",
        "delivery.decision:Target.decide",
        never("is_refused"),
        (f"{BOOKKEEPING}what_was_started_keeps_its_verdict_though_another_pipeline_takes_all_the_time",),
    ),
    Guard(
        "verdicts: a pipeline that takes all the time does not keep the others from their turn",
        "delivery.decision:_in_turn",
        returns("targets"),
        (f"{BOOKKEEPING}what_was_started_keeps_its_verdict_though_another_pipeline_takes_all_the_time",),
    ),
    Guard(
        "crashes: what was started is looked for, though that crashes",
        "delivery.decision:decide",
        condition("MAX_LOOKS", instead="delivery.before.crashes >= MAX_CRASHES"),
        (f"{BOOKKEEPING}what_crashed_deliveries_started_keeps_its_verdict",),
    ),
    Guard(
        "verdicts: what is refused is no duplicate of another with its business key",
        "starts.ledger:resume",
        never("occurrence"),
        (f"{BOOKKEEPING}a_filtered_event_is_no_duplicate_of_another_with_its_business_key",),
    ),
    Guard(
        "verdicts: what a lookup decided is noted",
        "delivery.handler:_carry_out",
        never("depends_on_lookups"),
        (f"{BOOKKEEPING}what_was_filtered_stays_so_when_it_is_delivered_again",),
    ),
    Guard(
        "verdicts: what was decided is not decided anew",
        "delivery.handler:_Messages._begin",
        never("verdicts"),
        (f"{BOOKKEEPING}a_rejected_event_stays_rejected_when_delivered_again",),
    ),
    Guard(
        "quarantine: the reason is cut to what SQS takes",
        "dead_letters:_fitting",
        call("max", "None"),
        (f"{DELIVERY}a_reason_is_cut_to_what_sqs_takes_beside_the_body",),
    ),
    Guard(
        "token: SageMaker itself starts once",
        "starts.start:_execute",
        argument("start_pipeline_execution", "ClientRequestToken", "str(random.random())"),
        (f"{FAULTS}the_token_guards_against_late_listings",),
    ),
    Guard(
        "no answer is not a refusal",
        "aws:had_no_effect",
        returns("isinstance(error, (ClientError, ConnectionError))"),
        (f"{FAULTS}a_fault_at_any_call_loses_nothing_and_repeats_nothing",),
    ),
    Guard(
        "no answer is not a refusal: TLS may break after the request was sent",
        "aws:_was_not_sent",
        returns("isinstance(error, ConnectionError)"),
        (f"{BOOKKEEPING}tls_that_breaks_after_a_start_repeats_nothing",),
    ),
    Guard(
        "partial failure: what failed comes back",
        "delivery.handler:_Messages._attempt",
        without_call("append"),
        (f"{DELIVERY}exactly_the_failed_messages_come_back",),
    ),
    Guard(
        "time floor: nothing begins that can't end",
        "delivery.decision:Delivery.need_time",
        never("remaining"),
        (f"{DELIVERY}a_function_out_of_time_leaves_the_rest_to_the_next",),
    ),
    Guard(
        "time floor: no call is waited for too long",
        "aws:_CONFIG",
        argument("Config", "read_timeout", "60"),
        ("tests/unit/delivery/test_hung.py::test_an_earlier_start_stays_started",),
    ),
    Guard(
        "time floor: a rate is not waited for too long",
        "starts.start:execute",
        never("time_left", "pause"),
        (f"{START}a_throttled_start_is_retried_while_there_is_time",),
    ),
    Guard(
        "quarantine: what is rejected is kept",
        "delivery.handler:_carry_out",
        without_call("quarantine"),
        (f"{DELIVERY}a_rejection_is_quarantined_with_its_reason",),
    ),
    Guard(
        "quarantine: a verdict is reported when the message is safe",
        "delivery.handler:_carry_out",
        call(
            "quarantine",
            "(_report(decision.verdicts, decision.deployed), quarantine(delivery.body, rejections))",
        ),
        (f"{DELIVERY}a_quarantine_that_fails_is_loud_and_loses_nothing",),
    ),
    Guard(
        "redrive: a message is sent before it is deleted",
        "operations.redrive:take",
        later("act", than="delete_message"),
        (f"{FAULTS}a_redrive_after_fourteen_days_starts_only_the_rest",),
    ),
    Guard(
        "waiting: no verdict is final while a pipeline waits",
        "delivery.handler:_carry_out",
        never("is_final", at=0),
        (f"{DELIVERY}a_message_s_pipelines_share_its_time",),
    ),
    Guard(
        "cap: max_starts in an hour",
        "starts.ledger:count",
        argument("update_item", "ConditionExpression", '"attribute_not_exists(x)"'),
        (f"{DELIVERY}more_starts_than_a_trigger_may_make_wait",),
    ),
    Guard(
        "cap: what was not started does not count",
        "starts.start:_called",
        without_call("uncount"),
        (f"{DELIVERY}more_starts_than_a_trigger_may_make_wait",),
    ),
    Guard(
        "limits: a computed option is held against them",
        "starts.plan:_options",
        never("message"),
        ("tests/unit/starts/test_limits.py::test_a_computed_option_is_one_that_sagemaker_takes",),
    ),
    Guard(
        "limits: so is the number of parameters",
        "starts.plan:planned",
        never("MAX_PARAMETERS"),
        ("tests/unit/starts/test_limits.py::test_there_are_200_parameters_at_most",),
    ),
    Guard(
        "stale definition: what does not fit is looked at again",
        "starts.definition:fit",
        never("problems", at=0),
        ("tests/unit/starts/test_definition.py::test_a_definition_that_changed_is_looked_at_again",),
    ),
    Guard(
        "pinned version: values are held against its own definition",
        "starts.definition:pinned",
        returns("{}"),
        ("tests/unit/starts/test_definition.py::test_each_version_is_remembered_with_its_own_definition",),
    ),
    Guard(
        "stale definition: what SageMaker refuses is looked at again",
        "starts.start:_execute_as_defined",
        always("fresh", "checked"),
        (f"{FAULTS}a_definition_that_changes_while_it_is_remembered_is_read_again",),
    ),
    Guard(
        "forged messages: a handler reads events for its own triggers only",
        "events.envelope:_source",
        never("starter", "handler"),
        ("tests/unit/delivery/test_forged.py",),
    ),
    Guard(
        "forged messages: a disabled trigger starts nothing",
        "delivery.requests:targets",
        always("enabled"),
        ("tests/unit/delivery/test_forged.py",),
    ),
    Guard(
        "forged messages: a trigger of publishers starts nothing without a request",
        "delivery.requests:targets",
        never("takes_requests", at=1),
        ("tests/unit/delivery/test_requests.py",),
    ),
    Guard(
        "allow-list: a publisher sets what the document lets them set",
        "delivery.requests:_refusal",
        returns("None"),
        ("tests/unit/delivery/test_publishers.py",),
    ),
    Guard(
        "depth: a chain of executions ends",
        "starts.plan:planned",
        never("depth"),
        (f"{START}a_chain_of_executions_ends",),
    ),
    Guard(
        "schedule: its scheduled time says which it is",
        "language.sources.schedule:read",
        argument("Occurrence", 2, '("schedule", event_id)'),
        ("tests/unit/events/test_eventbridge.py::test_a_schedule_is_identified_by_its_time",),
    ),
    Guard(
        "schedule: what is over is not made again",
        "compile.schedules:schedules",
        never("is_over"),
        ("tests/unit/documents/test_schedules.py::test_a_schedule_that_has_ended_is_left_out_with_a_note",),
    ),
    Guard(
        "direct: nothing that needs a handler is left out in silence",
        "documents.direct:_NEEDS_A_HANDLER",
        value("()"),
        ("tests/unit/documents/test_direct.py::test_fields_that_need_a_handler_are_refused",),
    ),
    Guard(
        "direct: a value that a target can't carry is refused",
        "documents.direct:value_problem",
        returns("attribute_problem(source, value)"),
        ("tests/unit/documents/test_direct.py::test_unsupported_direct_delivery_is_refused_with_the_reason",),
    ),
    Guard(
        "direct: no limit is passed by",
        "documents.direct:limited",
        returns("iter(())"),
        ("tests/unit/documents/test_collect.py::test_a_limited_pipeline_is_not_started_directly",),
    ),
    Guard(
        "limits: a pipeline has them once",
        "documents.limits_check:limited_twice",
        returns("iter(())"),
        ("tests/unit/documents/test_collect.py::test_a_pipeline_has_limits_in_one_document",),
    ),
    Guard(
        "collect: a join has a deadline",
        "documents.collect_check:_misplaced",
        never("deadline"),
        ("tests/unit/documents/test_collect.py::test_a_wrong_collect_is_refused",),
    ),
    Guard(
        "collect: a value that can be empty is refused before a night shows it",
        "documents.batch_check:problem",
        never("_is_empty"),
        ("tests/unit/documents/test_collect.py::test_a_parameter_that_a_batch_does_not_give_is_refused",),
    ),
    Guard(
        "collect: each source may send the last part",
        "models:all_views",
        returns("list(triggers)"),
        ("tests/unit/compile/test_stack.py::test_each_source_of_a_trigger_has_a_rule_of_its_own",),
    ),
    Guard(
        "deadline: a time that a clock change leaves out is not the time before",
        "language.cron:days",
        always("exists"),
        ("tests/unit/language/test_cron_days.py::test_the_days_are_those_since_the_time_before",),
    ),
    Guard(
        "deadline: the days of a cron that fires twice a day are refused",
        "language.cron:days",
        never("at", at=0),
        ("tests/unit/language/test_cron_days.py::test_without_a_time_before_there_are_no_days",),
    ),
    Guard(
        "janitor: a failed delete is none",
        "janitor.cleanups:deleted_pipeline",
        never("errorCode"),
        (f"{JANITOR}test_cleanups.py::test_an_event_of_anything_else_removes_nothing",),
    ),
    Guard(
        "janitor: an event of another account or Region is none of ours",
        "janitor.cleanups:deleted_pipeline",
        never("account", "region"),
        (f"{JANITOR}test_cleanups.py::test_an_event_of_anything_else_removes_nothing",),
    ),
    Guard(
        "janitor: another service's pipeline is none of ours",
        "janitor.cleanups:deleted_pipeline",
        never("DeletePipeline"),
        (f"{JANITOR}test_cleanups.py::test_an_event_of_anything_else_removes_nothing",),
    ),
    Guard(
        "janitor: names are compared whole",
        "account.references:_schedules_page",
        condition("key", "only", instead="reference.pipeline.key[2].startswith(only.key[2])"),
        (f"{JANITOR}test_removal.py::test_a_deletion_concerns_its_own_pipeline_only",),
    ),
    Guard(
        "janitor: names are compared in lower case",
        "account.pipelines:Pipeline.key",
        returns("(self.account, self.region.lower(), self.name)"),
        (f"{JANITOR}test_removal.py::test_all_references_to_a_missing_pipeline_are_removed",),
    ),
    Guard(
        "janitor: both spellings of an ARN are looked for",
        "account.pipelines:Pipeline.arns",
        without_element("lower"),
        (f"{JANITOR}test_removal.py::test_all_references_to_a_missing_pipeline_are_removed",),
    ),
    Guard(
        "janitor: a pipeline of another spelling is there",
        "janitor.removal:_Pipelines.status",
        call("other_spellings", "[]"),
        (f"{JANITOR}test_removal.py::test_a_pipeline_in_another_spelling_exists",),
    ),
    Guard(
        "janitor: a pipeline elsewhere is not looked up here",
        "janitor.cleanups:elsewhere",
        does_nothing(),
        (f"{JANITOR}test_removal.py::test_a_pipeline_elsewhere_is_never_looked_up",),
    ),
    Guard(
        "janitor: only SageMaker's own word means gone",
        "account.pipelines:status",
        never("ResourceNotFound"),
        (f"{JANITOR}test_removal.py::test_only_resource_not_found_counts_as_gone",),
    ),
    Guard(
        "janitor: a pipeline is looked up right before each removal",
        "janitor.removal:_created_again",
        call("status", "Status.GONE"),
        (f"{JANITOR}test_handler.py::test_a_pipeline_created_again_keeps_its_references",),
    ),
    Guard(
        "janitor: what is being deleted is waited for",
        "janitor.removal:find_orphans",
        never("DELETING"),
        (f"{JANITOR}test_handler.py::test_a_pipeline_that_is_being_deleted_is_waited_for",),
    ),
    Guard(
        "janitor: what CloudFormation owns stays",
        "account.ownership:owner",
        does_nothing(),
        (f"{JANITOR}test_removal.py::test_resources_of_stacks_stay",),
    ),
    Guard(
        "janitor: what a large stack may own stays",
        "account.ownership:owner",
        never("LISTED_OF_A_STACK"),
        (f"{JANITOR}test_removal.py::test_possible_resources_of_a_large_stack_stay",),
    ),
    Guard(
        "janitor: a rule with the tag of a stack stays",
        "janitor.removal:_remove_target",
        never("stacks"),
        (f"{JANITOR}test_removal.py::test_a_rule_that_carries_its_stack_s_tag_stays",),
    ),
    Guard(
        "janitor: a managed rule stays",
        "janitor.cleanups:untouchable",
        never("ManagedBy"),
        (f"{JANITOR}test_removal.py::test_managed_rules_and_what_is_ignored_stay",),
    ),
    Guard(
        "janitor: what is ignored stays",
        "janitor.cleanups:untouchable",
        without_loop("ignore"),
        (f"{JANITOR}test_removal.py::test_managed_rules_and_what_is_ignored_stay",),
    ),
    Guard(
        "janitor: more than may be removed all stay",
        "janitor.cleanups:Cleanup.too_many",
        returns("False"),
        (f"{JANITOR}test_removal.py::test_more_orphans_than_may_be_removed_all_stay",),
    ),
    Guard(
        "janitor: what was found is written down before it is removed",
        "janitor.handler:_work",
        call("done", "[cleanup := one for one in removal.remove_orphans(cleanup, policy)] or True"),
        (f"{JANITOR}test_handler.py::test_a_crash_at_any_call_changes_nothing_of_the_end",),
    ),
    Guard(
        "janitor: what a crash left half done is known",
        "janitor.removal:_removed_by_another",
        returns("'somebody else has removed it'"),
        (f"{JANITOR}test_handler.py::test_a_crash_at_any_call_changes_nothing_of_the_end",),
    ),
    Guard(
        "janitor: a snapshot is kept before a removal",
        "janitor.removal:_take_snapshot",
        does_nothing(),
        (f"{JANITOR}test_handler.py::test_a_crash_at_any_call_changes_nothing_of_the_end",),
    ),
    Guard(
        "janitor: a partial failure is one",
        "janitor.removal:_remove_from_rule",
        never("FailedEntryCount"),
        (f"{JANITOR}test_removal.py::test_a_target_that_was_not_removed_is_removed_later",),
    ),
    Guard(
        "janitor: what can't be removed holds up no other",
        "janitor.removal:_remove",
        always("is_transient"),
        (f"{JANITOR}test_removal.py::test_a_refused_removal_does_not_hold_up_others",),
    ),
    Guard(
        "janitor: what can't be read holds up no other",
        "account.references:_read_each",
        always("is_transient"),
        (f"{JANITOR}test_removal.py::test_an_unreadable_thing_does_not_hold_up_others",),
    ),
    Guard(
        "janitor: a step is taken by one message",
        "janitor.handler:_claim",
        without_call("claim"),
        (f"{JANITOR}test_handler.py::test_a_crash_after_a_message_was_sent_reports_nothing_twice",),
    ),
    Guard(
        "janitor: a step that was done is not done again",
        "janitor.handler:_claim",
        never("is_claimed"),
        (f"{JANITOR}test_handler.py::test_messages_that_come_again_later_do_nothing",),
    ),
    Guard(
        "janitor: what fails again and again is given up",
        "janitor.handler:_retry",
        always("failures", "MAX_FAILURES"),
        (f"{JANITOR}test_handler.py::test_repeated_failures_are_quarantined_with_a_reason",),
    ),
    Guard(
        "janitor: failures count in a row",
        "janitor.handler:_wait",
        argument("replace", "failures", "cleanup.failures"),
        (f"{JANITOR}test_handler.py::test_failures_count_in_a_row",),
    ),
    Guard(
        "janitor: what crashes its function is given up by age",
        "janitor.handler:_was_interrupted_for_too_long",
        returns("False"),
        (f"{JANITOR}test_handler.py::test_a_clean_up_that_crashes_the_function_is_given_up_by_its_age",),
    ),
    Guard(
        "janitor: what was removed before it is given up is reported",
        "janitor.handler:_give_up",
        without_call("publish"),
        (f"{JANITOR}test_handler.py::test_removals_before_giving_up_are_reported",),
    ),
    Guard(
        "janitor: a rule is not deleted without asking for its pipeline again",
        "janitor.removal:_remove_target",
        never("_created_again", at=1),
        (f"{JANITOR}test_handler.py::test_a_rule_stays_when_its_pipeline_is_created_before_the_retry",),
    ),
    Guard(
        "janitor: what was found waits before it is removed",
        "janitor.handler:_work",
        never("begun", "position", at=1),
        (f"{JANITOR}test_handler.py::test_orphans_are_removed_only_after_the_queue_s_delay",),
    ),
    Guard(
        "janitor: a report raises no alarm",
        "janitor.report:publish",
        always("removes"),
        (f"{JANITOR}test_report.py::test_a_report_of_many_orphans_raises_no_alarm",),
    ),
    Guard(
        "janitor: what starts something else by now stays",
        "janitor.removal:_remove_schedule",
        always("_still_starts"),
        (f"{JANITOR}test_removal.py::test_changed_targets_stay",),
    ),
    Guard(
        "janitor: a pipeline that may not be described stops no sweep",
        "janitor.removal:_Pipelines.refusal",
        always("is_transient"),
        (f"{JANITOR}test_removal.py::test_a_pipeline_that_may_not_be_described_stops_no_sweep",),
    ),
    Guard(
        "janitor: an Input that names two pipelines is not judged",
        "account.references:_unambiguous",
        returns("dict(pairs)"),
        (f"{JANITOR}test_removal.py::test_an_input_that_names_two_pipelines_is_not_judged",),
    ),
    Guard(
        "janitor: a rule is owned by its ARN, too",
        "account.ownership:_resource",
        without_element("Arn"),
        (f"{JANITOR}test_removal.py::test_a_rule_is_owned_by_its_arn_too",),
    ),
    Guard(
        "commands: nothing that others wrote reaches the terminal raw",
        "cli.output:_print",
        call("printable", "text"),
        ("tests/unit/cli/test_output.py::test_nothing_reaches_the_terminal_raw",),
    ),
    Guard(
        "run: what the handler would reject is not sent",
        "operations.run:check",
        does_nothing(),
        ("tests/unit/operations/test_run.py::test_events_that_the_handler_would_reject_are_not_sent",),
    ),
    Guard(
        "restore: a past start is left out or moved",
        "operations.restore:_create_schedule",
        always("start", "now"),
        ("tests/unit/operations/test_restore.py::test_a_past_start_moves_on",),
    ),
)


BATCHES = "tests/unit/batches/"
STORE = f"{BATCHES}test_store.py::test_"
DECISION = f"{BATCHES}test_decision.py::test_"
SCENARIOS = "tests/simulation/test_batch_faults.py::test_what_a_batch_needs_happens_once_in_each_mode"
KILLED = "tests/simulation/test_batch_faults.py::test_a_kill_after_any_call_loses_nothing_and_repeats_nothing"
TIMELINES = "tests/simulation/test_batch_timelines.py::test_"

BATCH_GUARDS = (
    Guard(
        "batch: an event joins once",
        "batches.store:Store._mark",
        argument("put", 1, '""'),
        (f"{STORE}an_event_that_was_joined_cancels_the_write",),
    ),
    Guard(
        "batch: a transaction holds each event once",
        "batches.join:collect",
        argument("_Group", 1, "[event for event in events if _key(event) == key]"),
        (f"{BATCHES}test_join.py::test_an_event_twice_in_one_sqs_batch_joins_once",),
    ),
    Guard(
        "batch: mark, slot and member are written at once",
        "batches.store:Store.join",
        call("write", "self._table.write(*self._joining(slot.id, events, now)) or self._table.write(change)"),
        (f"{STORE}an_event_that_was_joined_cancels_the_write",),
    ),
    Guard(
        "batch: marks are kept longer than a message can live",
        "batches.store:KEPT_MARKS",
        value("7 * 24 * 3600"),
        (f"{STORE}a_mark_outlives_the_messages_of_its_event",),
    ),
    Guard(
        "batch: an event joins the batch that was read",
        "batches.store:Store.join",
        argument("update", 3, '"#count <= :most"'),
        (f"{STORE}nothing_joins_the_batch_after_the_one_that_was_read",),
    ),
    Guard(
        "batch: no more events than it may hold",
        "batches.store:Store.join",
        argument("update", 3, "SAME"),
        (f"{STORE}a_batch_takes_no_more_than_it_may",),
    ),
    Guard(
        "join: sealed with the parts that were read",
        "batches.store:Store.seal",
        never("is_join", at=0),
        (f"{STORE}a_join_is_not_sealed_when_a_part_came_meanwhile",),
    ),
    Guard(
        "join: a late part knows the batch before",
        "batches.store:Store.open",
        never("is_join"),
        (f"{STORE}a_batch_opens_only_after_the_last_one_that_was_read",),
    ),
    Guard(
        "join: a correction holds the events before",
        "batches.store:Store.chain",
        never("previous"),
        (f"{SCENARIOS}[a join, its deadline and a correction]",),
    ),
    Guard(
        "turn: what was decided before another turn is void",
        "batches.store:Store.begin",
        argument("update", 3, '"attribute_exists(#pk)"'),
        (f"{STORE}a_turn_counts_only_for_the_version_that_was_read",),
    ),
    Guard(
        "turn: a start that was not made waits again",
        "batches.store:Store.undo",
        call("write", "self._table.write(self._gone(turn), self._uncounted(turn))"),
        (f"{STORE}an_undone_turn_is_a_ticket_again",),
    ),
    Guard(
        "turn: a ticket ends only where it waits",
        "batches.store:Store.end_ticket",
        argument("delete", 2, '""'),
        (f"{STORE}a_ticket_ends_only_where_it_waits",),
    ),
    Guard(
        "turn: an unanswered start is searched for",
        "batches.decision:_as_listed",
        never("token"),
        (f"{DECISION}a_start_without_an_answer_is_found_by_its_identity",),
    ),
    Guard(
        "turn: … until it would be listed",
        "batches.decision:UNANSWERED",
        value("200"),
        (f"{DECISION}a_start_without_an_answer_is_found_by_its_identity",),
    ),
    Guard(
        "turn: another function is left alone while it works",
        "batches.decision:LEFT_ALONE",
        value("-999"),
        (f"{DECISION}an_execution_of_ours_counts_once",),
    ),
    Guard(
        "turn: a start that crashed is not overtaken",
        "batches.decision:_of_tickets",
        never("starting"),
        (f"{DECISION}a_trigger_starts_one_at_a_time",),
    ),
    Guard(
        "limit: our starts count before they are listed",
        "batches.decision:in_the_way",
        never("ENDING"),
        (f"{DECISION}a_start_on_its_way_and_any_execution_count",),
    ),
    Guard(
        "limit: executions of others count",
        "batches.decision:in_the_way",
        never("is_going"),
        (f"{DECISION}a_start_on_its_way_and_any_execution_count",),
    ),
    Guard(
        "limit: an unanswered start hides no execution of others",
        "batches.decision:in_the_way",
        always("execution"),
        (f"{DECISION}an_unanswered_start_hides_no_execution_of_others",),
    ),
    Guard(
        "limit: our executions count until they have ended",
        "batches.turns:_finish",
        argument("finish", "track", "False"),
        (f"{SCENARIOS}[files]",),
    ),
    Guard(
        "limit: starts are remembered by time",
        "batches.turns:_begin",
        argument("begin", "counted", "False"),
        (f"{SCENARIOS}[a limit]",),
    ),
    Guard(
        "limit: listed since the oldest that is still going",
        "batches.decision:ended_before",
        call("min", "int(situation.now)"),
        (f"{DECISION}nothing_that_may_be_going_is_left_out_of_the_next_listing",),
    ),
    Guard(
        "pause: a handler puts what is paused in line",
        "delivery.line:is_for",
        returns("pipeline in deployed.limits()"),
        (f"{COLLECTING}a_paused_start_waits_in_line[pipeline-train-True]",),
    ),
    Guard(
        "pause: nothing is retried past one",
        "starts.start:execute",
        never("is_held"),
        (f"{COLLECTING}a_pause_comes_into_force_before_a_retry",),
    ),
    Guard(
        "limit: a handler puts every start in line",
        "delivery.line:is_for",
        returns("_flag().keeps_in_line(trigger, pipeline)"),
        (f"{COLLECTING}every_start_of_a_limited_pipeline_waits_in_line",),
    ),
    Guard(
        "collect: what was started before is not collected",
        "delivery.collecting:_was_started",
        returns("False"),
        (f"{COLLECTING}what_was_started_before_the_trigger_collected_joins_no_batch",),
    ),
    Guard(
        "collect: a message that crashed a function joins alone",
        "delivery.handler:_Messages._begin",
        never("crashes"),
        (f"{COLLECTING}a_message_that_crashed_a_function_comes_last_and_alone",),
    ),
    Guard(
        "collect: a dry run has marks of its own",
        "starts.plan:mark_of",
        never("dry_run"),
        (f"{COLLECTING}a_dry_run_leaves_no_mark",),
    ),
    Guard(
        "limit: an unanswered start is not taken for one that was not made",
        "batches.door:SageMaker.start",
        never("known"),
        (f"{BATCH_HANDLER}a_start_that_was_made_and_not_noted_is_found",),
    ),
    Guard(
        "pause: nothing starts",
        "batches.decision:pause_of",
        never("holds"),
        (f"{DECISION}a_pause_holds_what_it_concerns",),
    ),
    Guard(
        "pause: what was decided before is void",
        "batches.pauses:pause",
        without_call("raise_version"),
        (f"{STORE}a_pause_makes_void_what_was_decided_before",),
    ),
    Guard(
        "pause: a paused trigger stops no other",
        "batches.decision:_of_tickets",
        call("sorted", "sorted(situation.heads, key=lambda ticket: (not ticket.forced, ticket.ready_ms))[:1]"),
        (f"{DECISION}a_paused_or_capped_trigger_stops_no_other",),
    ),
    Guard(
        "rejection: its letter is sent before it is forgotten",
        "batches.turns:conclude",
        later("send_dead_letter", than="forget"),
        (f"{KILLED}[refused starts]",),
    ),
    Guard(
        "manifest: of an object only the newest event",
        "batches.manifest:newest",
        never("_sequence"),
        (f"{BATCHES}test_manifest.py::test_a_manifest_holds_each_key_once",),
    ),
    Guard(
        "manifest: the first noted files count",
        "batches.store:Store.note_files",
        argument("update", 3, '"attribute_exists(#pk)"'),
        (f"{STORE}the_first_note_of_the_files_counts",),
    ),
    Guard(
        "deadline: reported once",
        "batches.records:Records.miss",
        argument("put", 1, '""'),
        (f"{STORE}a_missed_deadline_is_noted_once",),
    ),
    Guard(
        "deadline: what was sealed before counts",
        "batches.deadlines:_missing",
        never("last"),
        (f"{SCENARIOS}[a join, its deadline and a correction]",),
    ),
    Guard(
        "deadline: judged a minute late",
        "batches.rules:DEADLINE_GRACE",
        value("0"),
        (f"{TIMELINES}a_backlog_makes_no_false_alarm",),
    ),
    Guard(
        "sweep: asks for each pipeline",
        "batches.messages:sweep",
        argument("send", 0, "slots"),
        (f"{SCENARIOS}[files]",),
    ),
    Guard(
        "sweep: asks for each slot that is due",
        "batches.messages:sweep",
        argument("send", 0, "pipelines"),
        (f"{SCENARIOS}[files]",),
    ),
    Guard(
        "batches: kept until they have ended",
        "batches.messages:discard_old",
        always("has_ended"),
        (f"{TIMELINES}a_batch_that_waits_for_months_is_kept",),
    ),
    Guard(
        "batches: a step that only waits is not given up by its deliveries",
        "batches.handler:_fail",
        never("waits", at=2),
        (f"{BATCH_HANDLER}a_deadline_waits_for_as_long_as_aws_does_not_answer",),
    ),
    Guard(
        "turns: a start that can't be computed stops no other trigger",
        "batches.turns:take_turns",
        condition("MaxStarts", instead="isinstance(stopped_by, MaxStarts)"),
        (f"{BATCH_HANDLER}a_manifest_that_can_t_be_written_stops_no_other_trigger",),
    ),
    Guard(
        "deadline: an expect that can't be computed hides no other batch",
        "batches.deployed:_expected",
        returns("batch_values.expect(trigger, by) or ()"),
        (f"{BATCH_HANDLER}an_expect_that_can_t_be_computed_hides_no_other_batch",),
    ),
    Guard(
        "turns: a start without an answer is no crash",
        "batches.turns:_begin",
        without_call("unanswered"),
        (f"{BATCH_HANDLER}a_start_waits_for_as_long_as_sagemaker_does_not_answer",),
    ),
    Guard(
        "batches: a join that stays incomplete ends",
        "batches.messages:sweep",
        never("is_abandoned"),
        (f"{TIMELINES}a_join_that_stays_incomplete_ends_after_90_days",),
    ),
    Guard(
        "batches: the item of an open one stays small",
        "batches.rules:expected",
        returns("frozenset(event.part for event in events if event.part)"),
        (f"{BATCHES}test_join.py::test_a_slot_stays_small_whatever_parts_come",),
    ),
    Guard(
        "turns: a trigger at its max_starts takes none",
        "batches.turns:_serve",
        without_call("need_room"),
        (f"{BATCH_HANDLER}a_trigger_at_its_max_starts_takes_no_turn_before_the_next_hour",),
    ),
    Guard(
        "removed trigger: its batches are not rejected at first sight",
        "batches.rules:GONE_FOR",
        value("0"),
        (f"{DECISION}unknown_triggers_are_rejected_after_an_hour",),
    ),
)


HISTORY = "tests/unit/history/test_history.py::test_"
ENDS = "tests/unit/history/test_ends.py::test_"
BREAKER = "tests/unit/batches/test_breaker.py::test_"
HISTORY_GUARDS = (
    Guard(
        "records: what can't be recorded comes back",
        "delivery.handler:_Messages.record",
        without_call("append"),
        (f"{HISTORY}messages_come_back_until_their_verdicts_are_recorded",),
    ),
    Guard(
        "records: what is too old does not wait for its record",
        "delivery.handler:_Messages.record",
        never("is_too_old"),
        (f"{HISTORY}a_message_that_is_too_old_does_not_wait_for_its_record",),
    ),
    Guard(
        "records: a secret is masked in reasons",
        "models:Run.masked",
        returns("text"),
        (f"{HISTORY}a_reason_does_not_give_a_secret_away",),
    ),
    Guard(
        "ends: whoever noted one has time to report it",
        "history.ends:_look",
        never("LEFT_ALONE"),
        (f"{ENDS}what_was_noted_and_not_reported_is_reported_later",),
    ),
    Guard(
        "ends: a sweep looks at a bounded number of runs",
        "history.ends:turn",
        returns("going"),
        (f"{ENDS}a_sweep_looks_at_a_bounded_number_of_runs",),
    ),
    Guard(
        "breaker: what did not fail, and a pause, begin the count anew",
        "batches.breaker:_failures",
        never("_OUTCOMES"),
        (f"{BREAKER}a_run_that_succeeds_in_between_begins_the_count_anew",),
    ),
)


GUARDS += BATCH_GUARDS
GUARDS += HISTORY_GUARDS


def source(guard: Guard) -> str:
    """Return the text of a guard's module."""
    return CORE.joinpath(*guard.module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
