"""Tests of pipeline_triggers.language."""
