"""A client that calls the service in this process, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class Client:
    """Plain calls over httpx's ASGI transport. An exception inside the service is the 500 that a client would see."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: object) -> None:
        async def shut_down() -> None:
            async with self.app.router.lifespan_context(self.app):
                pass

        asyncio.run(shut_down())

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://surety") as client:
                return await client.request(method, path, **options)

        return asyncio.run(call())

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)
