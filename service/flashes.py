"""Flash messages live in Quart's signed cookie, and nothing else does."""

from quart import Quart
from quart.sessions import SecureCookieSession, SecureCookieSessionInterface
from quart.wrappers import BaseRequestWebsocket

from service.config import Settings


class FlashSessionInterface(SecureCookieSessionInterface):
    """Quart's session, which derives no key for the many requests that bring no message."""

    async def open_session(
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SecureCookieSession | None:
        """What the cookie holds; without one, nothing."""
        if self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return await super().open_session(app, request)


def init_app(app: Quart, settings: Settings) -> None:
    """Sign with the newest key; messages signed with an older one still show."""
    app.session_interface = FlashSessionInterface()
    app.config.from_mapping(
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_NAME="__Host-flash" if settings.secure_cookies else "readlog-flash",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
    )
