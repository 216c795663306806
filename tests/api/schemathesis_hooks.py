"""What `schemathesis.toml` loads: nothing is imported from here."""

from typing import Any
from uuid import uuid4

import schemathesis

KEY = "Idempotency-Key"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """A good key is a new one: with one that was used, what it made may be gone since."""
    if KEY in (case.headers or {}) and case.meta and case.meta.generation.mode.is_positive:
        case.headers[KEY] = f"{case.headers[KEY][:200]}{uuid4().hex}"
