"""The headers that every answer carries, added around the whole application."""

from service.asgi import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# For the one page that has a script, our own.
CONTENT_SECURITY_POLICY_WITH_SCRIPTS = (
    CONTENT_SECURITY_POLICY + "; script-src 'self'; connect-src 'self'"
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    # Pages are private unless they say otherwise; static files do.
    "cache-control": "no-store",
}

# Two years, in seconds; ASVS 3.4.1 asks for one.
STRICT_TRANSPORT_SECURITY = "max-age=63072000; includeSubDomains"


class SecurityHeaders:
    """ASGI middleware: adds each header that an answer does not set itself.

    `https`: people reach this service by HTTPS, so browsers may be told never to use HTTP.
    """

    def __init__(self, inner: ASGIApp, *, https: bool) -> None:
        self.inner = inner
        headers = dict(HEADERS)
        if https:
            headers["strict-transport-security"] = STRICT_TRANSPORT_SECURITY
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through, adding to the start of an HTTP answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message["headers"]
                present = {name for name, _ in own}
                message["headers"] = [
                    *own,
                    *(header for header in self.headers if header[0] not in present),
                ]
            await send(message)

        await self.inner(scope, receive, send_with_headers)
