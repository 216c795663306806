"""The service as it runs in production, behind a proxy that speaks HTTPS for it."""

from collections.abc import Mapping
from typing import Any

from quart import Quart, Response

from tests.people import Browser

HOST = "books.example.org"
ORIGIN = f"https://{HOST}"
SECRET_KEY = "tV7kQm2ZrX9bLwN4yHsD6fGjA3pC8eUo"


def production(database_url: str, **more: str) -> dict[str, str]:
    """The variables of a production service, and more."""
    return {
        "CONFIG_TYPE": "production",
        "SECRET_KEY": SECRET_KEY,
        "DATABASE_URL": database_url,
        "PUBLIC_URL": ORIGIN,
        **more,
    }


class SecureBrowser(Browser):
    """A browser that comes by HTTPS to the public address."""

    async def get(self, path: str, **options: Any) -> Response:
        return await self.client.get(path, scheme="https", **_from_here(options))

    async def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Response:
        own = {"Host": HOST, "Origin": ORIGIN, **(headers or {})}
        return await self.client.post(path, form=form or {}, headers=own, scheme="https", **options)

    def cookie(self, name: str = "__Host-session") -> str | None:
        return super().cookie(name)

    def set_cookie(self, value: str, name: str = "__Host-session") -> None:
        self.client.set_cookie(HOST, name, value, secure=True)


def secure_browser(app: Quart) -> SecureBrowser:
    return SecureBrowser(app)


def _from_here(options: dict[str, Any]) -> dict[str, Any]:
    return options | {"headers": {"Host": HOST, **options.get("headers", {})}}
