"""Tests of pipeline_triggers.cli."""
