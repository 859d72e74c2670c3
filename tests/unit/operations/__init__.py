"""Tests of pipeline_triggers.operations."""
