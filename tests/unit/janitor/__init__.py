"""Tests of pipeline_triggers.janitor."""
