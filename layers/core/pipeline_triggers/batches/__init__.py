"""Many events → one batch → at most one execution per pipeline, within its limits."""
