"""Flash messages live in Quart's signed cookie, and nothing else does."""

import json

from itsdangerous import BadSignature
from quart import Quart
from quart.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from quart.wrappers import BaseRequestWebsocket, Response
from werkzeug.wrappers import Response as WerkzeugResponse

from service.config import Settings

# Characters of JSON: with signature and attributes, browsers drop a cookie of 4096 bytes.
MAX_LENGTH = 2500


class FlashSessionInterface(SecureCookieSessionInterface):
    """Quart's session, which derives no key for the many requests that bring no message."""

    async def open_session(
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SecureCookieSession | None:
        """The cookie's messages, whatever their age.

        Quart's own refuses a signature from the future. That would lose the message of a machine
        whose clock is ahead of this one's.
        """
        if "Cookie" not in request.headers or self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        signer = self.get_signing_serializer(app)
        try:
            cookie = request.cookies[self.get_cookie_name(app)]
            return None if signer is None else self.session_class(signer.loads(cookie))
        except BadSignature:
            return self.session_class()

    async def save_session(
        self,
        app: Quart,
        session: SessionMixin,
        response: Response | WerkzeugResponse | None,
    ) -> None:
        """Drop the oldest where nobody has looked at a page for long, such as a script."""
        if not session.modified:
            return  # and no `Vary: Cookie`, which Quart from 0.23 on adds to every answer
        if "_flashes" in session:
            messages = session["_flashes"]
            while len(messages) > 1 and len(json.dumps(messages)) > MAX_LENGTH:
                messages = messages[1:]
            session["_flashes"] = messages
        await super().save_session(app, session, response)


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
