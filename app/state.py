"""What the routes share: settings, the store, the courier, the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from app.catalogue import Catalogue
from worker.contract.settings import Settings
from worker.store.courier import Courier
from worker.store.jobs import JobStore


@dataclass(frozen=True)
class State:
    """Built once per process by create_app."""

    settings: Settings
    store: JobStore
    courier: Courier
    catalogue: Catalogue


def _state(request: Request) -> State:
    return cast(State, request.app.state.surety)


Shared = Annotated[State, Depends(_state)]
