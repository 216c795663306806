"""What the applications of one test process share: it depends on the source code alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import CodeType

import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket


class Templates(BytecodeCache):
    """The compiled code of templates, by name and source."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._compiled[bucket.key, bucket.checksum] = bucket.code


@contextmanager
def compiled_once() -> Iterator[None]:
    """Compile each template once. Once for each application, it took 28 % of a page's test."""
    with pytest.MonkeyPatch.context() as patch:
        shared = partial(Environment, bytecode_cache=Templates())
        patch.setattr("service.web.pages.Environment", shared)
        yield
