"""The library's boto3 clients, each of which it makes once."""

from __future__ import annotations

from pipeline_triggers import aws


def forget_clients() -> None:
    """Let the library make its clients anew, with the environment as it is then."""
    for made in vars(aws).values():
        if hasattr(made, "cache_clear"):
            made.cache_clear()
