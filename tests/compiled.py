"""What the applications of one test process share: it depends on the source code alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from types import CodeType
from typing import Any

import pytest
from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from werkzeug.routing import Rule


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
    """Compile each template once, and only the addresses that are built.

    Done for each application, the templates took 28 % and the addresses 10 % of the processor time
    of a test of a page. Rule._compile_builder makes two functions of each route, for `url_for`.
    """
    shared = partial(Environment, bytecode_cache=Templates())
    compile_builder = Rule._compile_builder

    def when_needed(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
        compiled = cache(lambda: compile_builder(rule, append_unknown))
        return lambda rule, **values: compiled()(rule, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("service.web.pages.Environment", shared)
        patch.setattr(Rule, "_compile_builder", when_needed)
        yield
