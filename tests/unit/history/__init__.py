"""Tests of the records of verdicts."""
