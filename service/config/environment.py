"""Reads variables of the environment by type; the error names the variable that is wrong."""

import re
from collections.abc import Mapping
from reprlib import repr as short_repr
from typing import TypeVar

ChoiceT = TypeVar("ChoiceT", bound=str)

_SWITCH = dict.fromkeys(("on", "true", "1", "yes"), True) | dict.fromkeys(
    ("off", "false", "0", "no"), False
)


class ConfigurationError(Exception):
    """A variable is wrong. The text is one line for the operator and contains no secret."""

    def __init__(self, variable: str, expected: str) -> None:
        super().__init__(variable, expected)
        self.variable = variable
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.variable}: expected {self.expected}"


def wrong_value(name: str, expected: str, value: str) -> ConfigurationError:
    """Return an error that quotes the value, shortened: only for values that are not secret."""
    return ConfigurationError(name, f"{expected}, not {short_repr(value)}")


class Environment:
    """Variables by type. An empty value counts as unset; blanks around a value are removed."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def is_set(self, name: str) -> bool:
        """Return whether the variable is set; an empty value counts here."""
        return name in self._values

    def text(self, name: str) -> str | None:
        """Return the value, or None if the variable is unset."""
        return self._values.get(name, "").strip() or None

    def items(self, name: str) -> tuple[str, ...]:
        """Return the parts of a comma-separated list, without empty ones."""
        return tuple(part for item in (self.text(name) or "").split(",") if (part := item.strip()))

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number. Raises ConfigurationError unless it is from `low` to `high`."""
        text = self.text(name)
        if text is None:
            return default
        # Stricter than int(), which accepts 1_0, signs and the digits of every script.
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise wrong_value(name, f"a whole number from {low} to {high}", text)
        return int(text)

    def switch(self, name: str, default: bool) -> bool:
        """Return True for on, true, 1 and yes, False for off, false, 0 and no, in any case.

        Raises ConfigurationError for any other value.
        """
        text = self.text(name)
        if text is None:
            return default
        if text.lower() not in _SWITCH:
            raise wrong_value(name, "on or off", text)
        return _SWITCH[text.lower()]

    def choice(self, name: str, default: ChoiceT, choices: tuple[ChoiceT, ...]) -> ChoiceT:
        """Return one of `choices`; the variable may be in capitals.

        Raises ConfigurationError for any other word.
        """
        text = self.text(name) or default
        for choice in choices:
            if choice == text.lower():
                return choice
        raise wrong_value(name, f"one of {', '.join(choices)}", text)
