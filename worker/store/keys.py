"""API keys: who may call, for whom, and for what. The store holds digests; a key is shown once, when it is made."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Literal, cast, get_args

from pydantic import BaseModel, ConfigDict

from worker.contract.settings import Settings
from worker.store.scripts import Scripts, connect, store_errors

Scope = Literal["submit", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
OWNER = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_TEXT = re.compile(r"surety_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_KEYS = "surety:keys"


class ApiKey(BaseModel):
    """What is known of a key. From `sha256`, of 32 random bytes, the key cannot be found."""

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None = None
    sha256: str

    def may(self, scope: Scope) -> bool:
        """An admin may do everything, and sees the jobs of all owners."""
        return scope in self.scopes or "admin" in self.scopes


class Keyring:
    """The keys in the store. Every method raises StoreUnavailable when Redis does not answer."""

    def __init__(self, settings: Settings) -> None:
        if settings.redis_url is None:
            raise ValueError("the keys need settings.redis_url; RedisServer gives one")
        self._redis = connect(settings.redis_url)
        self._scripts = Scripts(self._redis, settings)

    def close(self) -> None:
        self._redis.close()

    def create(self, owner: str, scopes: Collection[str]) -> tuple[str, ApiKey]:
        """The key itself, `surety_ID_SECRET`, which is not kept, and what is kept. Raises ValueError."""
        if not OWNER.fullmatch(owner):
            raise ValueError("An owner is 1 to 64 letters, digits, dots, dashes, underscores and @.")
        if not scopes or not set(scopes) <= set(SCOPES):
            raise ValueError(f"Name one or more of the scopes {', '.join(SCOPES)}.")
        known = tuple(scope for scope in SCOPES if scope in scopes)
        secret = secrets.token_urlsafe(32)
        key = ApiKey(
            id=secrets.token_hex(8), owner=owner, scopes=known, created_at=datetime.now(UTC), sha256=_digest(secret)
        )
        self._keep(key, "key_created")
        return f"surety_{key.id}_{secret}", key

    def find(self, text: str) -> ApiKey | None:
        """The key that `text` is, None if it is none or was revoked."""
        parts = _TEXT.fullmatch(text)
        key = self._read(parts[1]) if parts else None
        # The id is no secret; the rest is compared in a time that does not tell how much of it is right.
        if parts is None or key is None or not compare_digest(key.sha256, _digest(parts[2])):
            return None
        return key if key.revoked_at is None else None

    def revoke(self, key_id: str) -> ApiKey | None:
        """The key, which opens nothing from now on; None if there is none of this id."""
        key = self._read(key_id)
        if key is not None and key.revoked_at is None:
            key = key.model_copy(update={"revoked_at": datetime.now(UTC)})
            self._keep(key, "key_revoked")
        return key

    def all(self) -> list[ApiKey]:
        """The keys, also those revoked, in the order in which they were made."""
        with store_errors():
            found = cast(dict[bytes, bytes], self._redis.hgetall(_KEYS))
        return sorted(map(ApiKey.model_validate_json, found.values()), key=lambda key: (key.created_at, key.id))

    def usable(self) -> bool:
        """Whether there is a key that was not revoked."""
        return any(key.revoked_at is None for key in self.all())

    def _read(self, key_id: str) -> ApiKey | None:
        with store_errors():
            found = cast(bytes | None, self._redis.hget(_KEYS, key_id))
        return None if found is None else ApiKey.model_validate_json(found)

    def _keep(self, key: ApiKey, event: str) -> None:
        facts = {"key": key.id, "owner": key.owner, "scopes": " ".join(key.scopes)}
        self._scripts.run("keep", key.id, key.model_dump_json(), event, json.dumps(facts))


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()
