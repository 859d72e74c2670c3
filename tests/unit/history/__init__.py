"""Tests of pipeline_triggers.history."""
