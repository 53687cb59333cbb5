"""The public keys of the service's workers: with them anybody can check what was signed."""

from __future__ import annotations

from fastapi import APIRouter

from app.state import Shared
from worker.contract.errors import NotFound
from worker.contract.signature import KnownKey

router = APIRouter(prefix="/v1/keys", tags=["verification"])


@router.get("")
def list_keys(shared: Shared) -> list[KnownKey]:
    """Every key that certificates of this service may be signed with, the oldest first, also of workers long gone."""
    return shared.store.public_keys()


@router.get("/{key_id}")
def get_key(key_id: str, shared: Shared) -> KnownKey:
    """One key."""
    for key in shared.store.public_keys():
        if key.key_id == key_id:
            return key
    raise NotFound("No worker of this service has signed with this key; GET /v1/keys lists those known.")
