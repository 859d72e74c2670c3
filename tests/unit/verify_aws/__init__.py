"""The logic of ``make verify-aws``: judgements, report and clean-up."""
