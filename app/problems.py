"""Errors on the wire: problem+json (RFC 9457), one table from stable codes to HTTP status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from worker.contract.errors import (
    InternalError,
    InvalidParameter,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    SuretyError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

STATUS: dict[str, HTTPStatus] = {
    "image_missing": HTTPStatus.UNPROCESSABLE_ENTITY,
    "image_empty": HTTPStatus.UNPROCESSABLE_ENTITY,
    "image_format": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "image_unreadable": HTTPStatus.UNPROCESSABLE_ENTITY,
    "image_too_large": HTTPStatus.UNPROCESSABLE_ENTITY,
    "image_animated": HTTPStatus.UNPROCESSABLE_ENTITY,
    "image_pixel_format": HTTPStatus.UNPROCESSABLE_ENTITY,
    "dicom_transfer_syntax": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "dicom_no_picture": HTTPStatus.UNPROCESSABLE_ENTITY,
    "malformed_request": HTTPStatus.BAD_REQUEST,
    "invalid_spec": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_model": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_method": HTTPStatus.UNPROCESSABLE_ENTITY,
    "class_out_of_range": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too_many_samples": HTTPStatus.UNPROCESSABLE_ENTITY,
    "no_cells": HTTPStatus.UNPROCESSABLE_ENTITY,
    "frame_required": HTTPStatus.UNPROCESSABLE_ENTITY,
    "frame_out_of_range": HTTPStatus.UNPROCESSABLE_ENTITY,
    "body_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unsupported_media_type": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "not_found": HTTPStatus.NOT_FOUND,
    "method_not_allowed": HTTPStatus.METHOD_NOT_ALLOWED,
    "idempotency_conflict": HTTPStatus.UNPROCESSABLE_ENTITY,
    "invalid_parameter": HTTPStatus.UNPROCESSABLE_ENTITY,
    "webhook_refused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "certificate_missing": HTTPStatus.UNPROCESSABLE_ENTITY,
    "batch_not_found": HTTPStatus.NOT_FOUND,
    "key_required": HTTPStatus.UNAUTHORIZED,
    "scope_missing": HTTPStatus.FORBIDDEN,
    "unknown_archive": HTTPStatus.UNPROCESSABLE_ENTITY,
    "instance_not_found": HTTPStatus.UNPROCESSABLE_ENTITY,
    "instance_ambiguous": HTTPStatus.UNPROCESSABLE_ENTITY,
    "job_not_found": HTTPStatus.NOT_FOUND,
    "job_expired": HTTPStatus.GONE,
    "job_not_finished": HTTPStatus.CONFLICT,
    "job_finished": HTTPStatus.CONFLICT,
    "job_cancelled": HTTPStatus.CONFLICT,
    "artifact_not_found": HTTPStatus.NOT_FOUND,
    "model_unusable": HTTPStatus.CONFLICT,
    "model_in_train_mode": HTTPStatus.CONFLICT,
    "non_finite_logits": HTTPStatus.CONFLICT,
    "degenerate_map": HTTPStatus.CONFLICT,
    "unsupported_attribution": HTTPStatus.CONFLICT,
    "queue_full": HTTPStatus.TOO_MANY_REQUESTS,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "store_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "attempts_exhausted": HTTPStatus.CONFLICT,
    "deadline_exceeded": HTTPStatus.CONFLICT,
    "archive_unavailable": HTTPStatus.CONFLICT,
    "archive_refused": HTTPStatus.CONFLICT,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
}
RETRY_AFTER_SECONDS = {"queue_full": 5, "rate_limited": 60, "store_unavailable": 5, "job_not_finished": 1}


class ProblemDocument(BaseModel):
    """An error of this service (RFC 9457). `code` is stable; `pointer` is the field at fault (RFC 6901)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str = Field(json_schema_extra={"enum": list(STATUS)})
    pointer: str | None = None


_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
# What every route may answer, for the OpenAPI document.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request, the image or the job is at fault; `code` says how.", "content": _CONTENT},
    "5XX": {"description": "The service is at fault or not ready; `code` says how.", "content": _CONTENT},
}


def respond(problem: Problem, request: Request, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The problem as a response. A body that FastAPI would echo back is never part of it."""
    status = STATUS[problem.code]
    document = ProblemDocument(
        type=f"urn:surety:problem:{problem.code}",
        title=problem.title,
        status=int(status),
        detail=_text(problem.detail),
        instance=_text(request.url.path[:256]),
        code=problem.code,
        pointer=None if problem.pointer is None else _text(problem.pointer),
    )
    wait = RETRY_AFTER_SECONDS.get(problem.code)
    # What all answers carry also here, because an unexpected error is answered outside of all middleware.
    always = getattr(request.state, "headers", {})
    sent = {**({"Retry-After": str(wait)} if wait else {}), **(headers or {}), **always}
    body = document.model_dump(exclude_none=True)
    return JSONResponse(body, status_code=int(status), media_type=MEDIA_TYPE, headers=sent)


def _text(text: str) -> str:
    """Half a surrogate pair is legal in JSON and cannot be sent: it is shown escaped."""
    return text.encode(errors="backslashreplace").decode()


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.add_exception_handler(SuretyError, _surety_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(Exception, _unexpected)


async def _surety_error(request: Request, error: Exception) -> JSONResponse:
    known = error if isinstance(error, SuretyError) else InternalError(str(error))
    return respond(known.problem(), request)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return await _unexpected(request, error)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return respond(NotFound("See /docs for the addresses of this service.").problem(), request)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        problem = MethodNotAllowed(f"{request.method} is not offered here; see /docs.").problem()
        return respond(problem, request, error.headers)
    return respond(MalformedRequest(str(error.detail)).problem(), request)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": ""}
    pointer = "/" + "/".join(str(part) for part in first["loc"])
    return respond(InvalidParameter(f"{first['msg']}.", pointer=pointer).problem(), request)


async def _disconnected(request: Request, _: Exception) -> JSONResponse:
    # Nobody reads it; but to the log and the statistics it was the client's doing, not ours.
    return respond(MalformedRequest("The connection ended before the body did.").problem(), request)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
    return respond(InternalError("The fault is ours and has been logged; try again later.").problem(), request)
