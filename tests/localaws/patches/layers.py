"""Lambda's layers of ministack 1.5.33: where their content is."""

from __future__ import annotations

from ministack.services import lambda_svc


def serve_by_https() -> None:
    """Give the content's location with the protocol that the engine speaks; goes when ministack heeds USE_SSL there."""
    location = lambda_svc._layer_content_url

    def secure(layer_name: str, version: int) -> str:
        return str(location(layer_name, version)).replace("http://", "https://", 1)

    lambda_svc._layer_content_url = secure
