"""The security headers of every answer, added by a middleware around the application."""

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
# For the one page with a script, which is our own.
CONTENT_SECURITY_POLICY_WITH_SCRIPTS = (
    CONTENT_SECURITY_POLICY + "; script-src 'self'; connect-src 'self'"
)

HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: it makes browsers send `Origin: null` with our own forms.
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    # Answers are private by default; static files set their own value.
    "cache-control": "no-store",
}

# Two years, in seconds; ASVS 3.4.1 asks for one.
STRICT_TRANSPORT_SECURITY = "max-age=63072000; includeSubDomains"


class SecurityHeaders:
    """ASGI middleware: adds each header that an answer does not set itself.

    `https` adds Strict-Transport-Security, which forbids HTTP: for a service that has HTTPS.
    """

    def __init__(self, inner: ASGIApp, *, https: bool) -> None:
        self.inner = inner
        headers = dict(HEADERS)
        if https:
            headers["strict-transport-security"] = STRICT_TRANSPORT_SECURITY
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and add the headers to its answer."""

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
