"""Who calls: the owner of what is made, and the name under which requests are counted."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from app.access import Authenticated
from app.state import Shared, State
from worker.contract.audit import Asker
from worker.contract.errors import RateLimited
from worker.store.record import JobRecord


class Caller(NamedTuple):
    """`owner` and `key`, its id, are "" without a key. `who` is the owner, else the client's address.

    `sees` is the owner whose jobs and batches the caller may see; None, for an admin: those of all.
    """

    owner: str
    sees: str | None
    who: str
    request_id: str
    key: str = ""

    @property
    def asker(self) -> Asker:
        return Asker(self.owner, self.key, self.request_id)


def _caller(request: Request, key: Authenticated) -> Caller:
    if key is not None:
        sees = None if key.may("admin") else key.owner
        return Caller(key.owner, sees, f"owner {key.owner}", request.state.request_id, key.id)
    address = request.client.host if request.client else "?"
    return Caller("", "", f"address {address}", request.state.request_id)


Known = Annotated[Caller, Depends(_caller)]


def _seen(job_id: str, shared: Shared, caller: Known) -> JobRecord:
    return shared.store.get(job_id, caller.sees)


# The job of the path, as of now. To a caller that may not see it there is none: 404, as for any other id.
Seen = Annotated[JobRecord, Depends(_seen)]


async def admit(request: Request, shared: State, caller: Caller, images: int) -> None:
    """Counts the images against the caller's limit and says so in the answer's headers. Raises RateLimited.

    Headers as in the IETF draft draft-ietf-httpapi-ratelimit-headers.
    """
    limit, window = shared.settings.rate_limit, shared.settings.rate_window_seconds
    if not limit:
        return
    admission = await run_in_threadpool(shared.store.admit, caller.who, images, limit, window)
    wait = max(1, round(admission.seconds + 0.5))
    headers = request.state.headers
    headers["RateLimit-Policy"] = f'"images";q={limit};w={window:g}'
    headers["RateLimit"] = f'"images";r={admission.left};t={wait}'
    if not admission.admitted:
        headers["Retry-After"] = str(wait)
        raise RateLimited(f"{limit} images in {window:g} seconds are allowed; {admission.left} are left for now.")


async def _admit_one(request: Request, shared: Shared, caller: Known) -> None:
    await admit(request, shared, caller, 1)


# Before the body is read: what is refused costs nothing.
AdmitOne = Depends(_admit_one)
