"""The labels of a request in metrics and traces: never its path, and no text of a client."""

from typing import Final

from service.asgi import Scope

# A fixed set, because each method makes new time series and span names.
METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"  # as in OpenTelemetry's semantic conventions
NO_ROUTE = "(none)"


def method_of(scope: Scope) -> str:
    """Return the method if it is one of METHODS, else OTHER_METHOD."""
    return scope["method"] if scope["method"] in METHODS else OTHER_METHOD


def answer_of(scope: Scope) -> tuple[str, int]:
    """Return the rule that the address matched, or NO_ROUTE, and the status of the answer."""
    # If the application gives no answer, the server answers 500.
    rule, status = scope.get("answer", (None, 500))
    return NO_ROUTE if rule is None else rule.rule, status
