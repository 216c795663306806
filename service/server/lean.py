"""Leaves out of a start what a library imports for uses that a process will not have."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def postpone(*names: str) -> None:
    """Import these modules only when something that somebody took from one of them is called.

    For modules that are asked for functions, and for types that stand in annotations, alone. What
    is imported already stays as it is.
    """
    for name in names:
        sys.modules.setdefault(name, _Postponed(name))


class _Postponed(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system asks for some that need not be there
            raise AttributeError(attribute)

        def call(*args: Any, **kwargs: Any) -> Any:
            # All of them: a real one may need another.
            for name in [name for name, it in sys.modules.items() if isinstance(it, _Postponed)]:
                del sys.modules[name]
            return getattr(import_module(self.__name__), attribute)(*args, **kwargs)

        return call
