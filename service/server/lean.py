"""Leaves out of a start what a library imports for uses that a process will not have.

A stop-gap. Quart 0.22 and 0.23 import `hypercorn.typing` for annotations alone, and
`hypercorn.asyncio` for `Quart.run_task()` alone. As soon as Quart imports the first under
TYPE_CHECKING and the second inside the method, this module can go. Last looked at in November 2026
(Quart 0.23.1); there is no issue about it yet.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def postpone(*names: str) -> None:
    """Import these modules only when something that was taken from one of them is used.

    A name can be imported, passed on and stand in an annotation that is not evaluated. Every other
    use imports the real module first: a call, an attribute, `|`, `[…]`, `isinstance()`,
    `issubclass()`, a base class. A module that is imported already stays as it is.
    """
    for name in names:
        sys.modules.setdefault(name, _Postponed(name))


class _Postponed(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system asks for some that need not be there
            raise AttributeError(attribute)
        return _Name(self.__name__, attribute)


class _Name:
    """Stands for a class, a function or a type alias of a postponed module."""

    def __init__(self, module: str, name: str) -> None:
        self._where = module, name

    def __call__(self, *args: Any, **options: Any) -> Any:
        return _real(self)(*args, **options)

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # `typing` and `inspect` ask every object for some
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
    """Return the thing that a `_Name` stands for; any other value as it is."""
    if not isinstance(value, _Name):
        return value
    module, name = value._where
    # All of them: a real module may need another one.
    for known in [known for known, it in sys.modules.items() if isinstance(it, _Postponed)]:
        del sys.modules[known]
    return getattr(import_module(module), name)
