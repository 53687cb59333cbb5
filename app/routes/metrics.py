"""GET /metrics, for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from app.state import Shared

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
def get_metrics(shared: Shared) -> Response:
    """Queue, jobs, samples, outcomes and requests in Prometheus's text format."""
    return Response(shared.metrics.text(), media_type=CONTENT_TYPE_LATEST)
