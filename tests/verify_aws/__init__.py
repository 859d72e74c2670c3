"""``make verify-aws``: what the code assumes of AWS and nobody could see without an account, looked at in one.

A probe asks one question. What AWS answered is kept as it came (``docs/verified``), and judged by a function that
knows nothing but these answers, so that tests can show it right answers and wrong ones.
"""
