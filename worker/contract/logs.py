"""Log lines of the API and the workers, as text or JSON; each names the request that it belongs to."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal

# The X-Request-ID of the request at hand, in a worker that of the request that made the job.
REQUEST: ContextVar[str] = ContextVar("request", default="-")
_TEXT = "%(asctime)s %(process)d %(levelname)s %(name)s [%(request)s]: %(message)s"


def set_up(form: Literal["text", "json"]) -> None:
    """All lines of this process go to standard error in this form. For entry points."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_named)
    handler.setFormatter(Json() if form == "json" else logging.Formatter(_TEXT))
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every address, and an archive's holds UIDs
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _named(line: logging.LogRecord) -> bool:
    line.request = REQUEST.get()
    return True


class Json(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "request": getattr(record, "request", REQUEST.get()),
            "message": record.getMessage(),
        }
        return json.dumps(line | ({"exception": self.formatException(record.exc_info)} if record.exc_info else {}))
