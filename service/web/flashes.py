"""Flash messages, which are all that Quart's signed cookie contains."""

import json

from itsdangerous import BadSignature
from quart import Quart
from quart.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from quart.wrappers import BaseRequestWebsocket, Response
from werkzeug.wrappers import Response as WerkzeugResponse

from service.config import Settings

# Characters of JSON. Browsers drop a cookie above 4096 bytes, with signature and attributes.
MAX_LENGTH = 2500


class FlashSessionInterface(SecureCookieSessionInterface):
    """Quart's session interface. It derives no key for requests without the cookie."""

    async def open_session(
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SecureCookieSession | None:
        """Return the messages in the cookie, of any age.

        Quart's own method refuses a signature with a time in the future. It would lose a message
        from another machine whose clock is ahead.
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
        """Write the cookie, without the oldest messages if they are longer than MAX_LENGTH.

        They grow if a client posts forms and shows no page, as a script does.
        """
        if not session.modified:
            return  # without the `Vary: Cookie` that Quart adds to every answer since 0.23
        if "_flashes" in session:
            messages = session["_flashes"]
            while len(messages) > 1 and len(json.dumps(messages)) > MAX_LENGTH:
                messages = messages[1:]
            session["_flashes"] = messages
        await super().save_session(app, session, response)


def init_app(app: Quart, settings: Settings) -> None:
    """Sign messages with the newest key, and accept those that an older key signed."""
    app.session_interface = FlashSessionInterface()
    app.config.from_mapping(
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_key_fallbacks),
        SESSION_COOKIE_NAME="__Host-flash" if settings.secure_cookies else "readlog-flash",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_SAMESITE="Lax",
    )
