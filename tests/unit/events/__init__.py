"""Tests of pipeline_triggers.events."""
