"""What metrics and traces say of a request: never its path, and no word that a client made up."""

from typing import Final

from service.asgi import Scope

# Bounds how many time series and span names there can be.
METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
OTHER_METHOD = "_OTHER"  # OpenTelemetry's word
NO_ROUTE = "(none)"


def method_of(scope: Scope) -> str:
    """The method, where it is one that HTTP knows."""
    return scope["method"] if scope["method"] in METHODS else OTHER_METHOD


def answer_of(scope: Scope) -> tuple[str, int]:
    """The rule that a request's address matched, and the status of its answer."""
    # Where there is no answer, the server gives one.
    rule, status = scope.get("answer", (None, 500))
    return NO_ROUTE if rule is None else rule.rule, status
