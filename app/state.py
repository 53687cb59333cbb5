"""What the routes share: settings, the store, the courier, the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from app.catalogue import Catalogue
from app.metrics import Metrics
from app.watch import Watch
from worker.contract.settings import Settings
from worker.store.courier import Courier
from worker.store.desk import Desk
from worker.store.keys import Keyring


@dataclass(frozen=True)
class State:
    """Built once per process by create_app."""

    settings: Settings
    store: Desk
    keys: Keyring
    courier: Courier
    catalogue: Catalogue
    watch: Watch
    metrics: Metrics
    archives: frozenset[str]


def _state(request: Request) -> State:
    return cast(State, request.app.state.surety)


Shared = Annotated[State, Depends(_state)]
