"""Postpones imports of a library that the process probably never uses (decision 11).

A temporary solution. Quart 0.22 and 0.23 import `hypercorn.typing` for annotations alone, and
`hypercorn.asyncio` for `Quart.run_task()` alone. This module can be deleted as soon as Quart
imports the first under TYPE_CHECKING and the second inside the method. Last checked in November
2026 with Quart 0.23.1, which has no issue about it yet.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def postpone(*names: str) -> None:
    """Import these modules only when a name from one of them is used.

    To import the name, to pass it on, or to write it in an annotation that is not evaluated, does
    not count as a use. Every other use imports the real module first: a call, an attribute, `|`,
    `[…]`, `isinstance()`, `issubclass()`, a base class. A module that is imported already stays.
    """
    for name in names:
        sys.modules.setdefault(name, _Postponed(name))


class _Postponed(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system reads some that may be missing
            raise AttributeError(attribute)
        return _Name(self.__name__, attribute)


class _Name:
    """Stands for a class, a function or a type alias of a postponed module."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _real(self)(*args, **options)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # `typing` and `inspect` read some of every object
            raise AttributeError(attribute)
        return getattr(_real(self), attribute)

    def __getitem__(self, parameters: Any) -> Any:
        return _real(self)[parameters]

    def __or__(self, other: Any) -> Any:
        return _real(self) | _real(other)

    def __ror__(self, other: Any) -> Any:
        return other | _real(self)

    def __instancecheck__(self, instance: Any) -> bool:
        return isinstance(instance, _real(self))

    def __subclasscheck__(self, subclass: type) -> bool:
        return issubclass(_real(subclass), _real(self))

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[Any, ...]:
        return (_real(self),)


def _real(value: Any) -> Any:
    """Return the real object of a `_Name`, and any other value unchanged."""
    if not isinstance(value, _Name):
        return value
    module, name = value._where
    # Remove all placeholders: the real module may import another postponed one.
    for known in [known for known, it in sys.modules.items() if isinstance(it, _Postponed)]:
        del sys.modules[known]
    return getattr(import_module(module), name)
