"""The door: which key a request shows, and whether that key may do it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.state import Shared
from worker.contract.errors import KeyRequired, ScopeMissing
from worker.store.keys import ApiKey, Scope

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    bearerFormat="surety_...",
    description="A key of `surety keys create`. GET needs the scope `read`, all else `submit`; `admin` has both.",
)


def _authenticated(
    request: Request, shared: Shared, shown: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> ApiKey | None:
    """The key of this request; None where requests without one are allowed. Raises KeyRequired.

    A wrong key is refused also there: its owner means to be somebody, and would look for the jobs in vain.
    """
    challenge = 'Bearer realm="surety"'
    if shown is not None:
        if key := shared.keys.find(shown.credentials):
            return key
        request.state.headers["WWW-Authenticate"] = f'{challenge}, error="invalid_token"'
        raise KeyRequired("This key is not known here, or was revoked. `surety keys list` shows what there is.")
    if shared.settings.allow_anonymous:
        return None
    request.state.headers["WWW-Authenticate"] = challenge
    raise KeyRequired("Send `Authorization: Bearer surety_...` with a key of `surety keys create`.")


Authenticated = Annotated[ApiKey | None, Depends(_authenticated)]


def _scoped(request: Request, key: Authenticated) -> None:
    _demand(request, key, "read" if request.method in ("GET", "HEAD") else "submit")


def _admin(request: Request, key: Authenticated) -> None:
    _demand(request, key, "admin")


def _demand(request: Request, key: ApiKey | None, scope: Scope) -> None:
    if key is not None and not key.may(scope):
        challenge = f'Bearer realm="surety", error="insufficient_scope", scope="{scope}"'
        request.state.headers["WWW-Authenticate"] = challenge
        raise ScopeMissing(f"This needs the scope `{scope}`; the key has {', '.join(key.scopes)}.")


# For routers. One rule for all of them, so that a new route is behind the door without thinking of it.
Scoped = Depends(_scoped)
Admin = Depends(_admin)
