"""Tests of pipeline_triggers.compile."""
