"""The tests, and the embedded AWS that they and ``make run`` use."""

from pathlib import Path

PROJECT = Path(__file__).parents[1]
