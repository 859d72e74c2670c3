"""Tests of pipeline_triggers.delivery."""
