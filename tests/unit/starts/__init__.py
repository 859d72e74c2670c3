"""Tests of pipeline_triggers.starts."""
