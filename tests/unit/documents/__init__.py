"""Tests of pipeline_triggers.documents."""
