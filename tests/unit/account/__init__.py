"""Tests of pipeline_triggers.account."""
