"""How commands meet whoever calls them: one line for each error, passwords unseen, progress."""

import codecs
import getpass
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, NoReturn

import click

from service.exceptions import InvalidInputError, ServiceError
from service.migrations import SchemaError, WrongSettingError
from service.models import PASSWORD_MAX_LENGTH
from service.security.password_text import is_same
from service.text.bidi import escaped

# From standard input; more than any password that is accepted, however it is typed.
MAX_PASSWORD_BYTES = 4096


@contextmanager
def one_line() -> Iterator[None]:
    """An error of usage loses its context, for which click would tell two more lines."""
    try:
        yield
    except click.UsageError as error:
        raise click.UsageError(escaped(error.format_message())) from error


class Command(click.Command):
    """A command whose errors are one line each."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Raises UsageError, which is told in one line."""
        with one_line():
            return super().make_context(*args, **kwargs)


class WrongUsageError(click.ClickException):
    """The command cannot be called like that, or with these settings."""

    exit_code = 2


def say(line: str, *, err: bool = False) -> None:
    """Write a line to standard output or error. Nothing in it changes what the terminal does.

    The line may quote an address, the name of a file or what stands in a file.
    """
    click.echo(escaped(line), err=err)


@contextmanager
def refusing() -> Iterator[None]:
    """What is refused in the block is told in one line, with exit status 1, or 2 for a setting."""
    from service.cli.backup.format import BackupError

    try:
        yield
    except InvalidInputError as error:
        for wrong in error.errors:
            say(f"Error: {wrong.field}: {wrong.message}", err=True)
        raise click.exceptions.Exit(1) from error
    except WrongSettingError as error:
        raise WrongUsageError(escaped(str(error))) from error
    except (SchemaError, BackupError, ServiceError) as error:
        raise click.ClickException(escaped(str(error))) from error


@contextmanager
def working() -> Iterator[None]:
    """The same. The service's own log is silent but for errors.

    A SIGTERM ends the block as ^C does, at once and with nothing half-done left.
    """
    with _quiet(), _terminable(), refusing():
        yield


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output for bytes. What could not be written is not tried again at the exit."""
    stream = sys.stdout.buffer
    try:
        yield stream
        stream.flush()
    except BaseException as error:
        with suppress(OSError):
            descriptor = stream.fileno()
            os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
        if isinstance(error, OSError):
            raise click.ClickException(f"cannot write: {error.strerror}") from error
        raise


def read_password(*, from_stdin: bool) -> str:
    """A password: typed twice without being shown, or standard input up to its last line break."""
    if from_stdin:
        try:
            text = _decoded(sys.stdin.buffer.read(MAX_PASSWORD_BYTES))
        except UnicodeDecodeError:
            raise WrongUsageError("the password on standard input is not UTF-8") from None
        return text.removesuffix("\n").removesuffix("\r")
    with warnings.catch_warnings():
        # What is asked without a terminal would be shown.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return _ask_twice()
        except getpass.GetPassWarning:
            raise WrongUsageError("no terminal to ask on: use --password-stdin") from None


def _decoded(data: bytes) -> str:
    """As UTF-8. What was cut at the bound may end within a character, which is left out."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    return decoder.decode(data, final=len(data) < MAX_PASSWORD_BYTES)


def _ask_twice() -> str:
    """click's own confirmation compares what was typed, and not what is kept."""
    while True:
        typed, again = (
            str(click.prompt(prompt, hide_input=True, err=True))
            for prompt in ("Password", "The same again")
        )
        if is_same(typed, again, PASSWORD_MAX_LENGTH):
            return typed
        click.echo("Error: The two entered values do not match.", err=True)


def teller(*, wanted: bool) -> Callable[[str, int], None]:
    """Tells of progress on standard error, where somebody looks on or wants it."""
    if not (wanted or sys.stderr.isatty()):
        return lambda _table, _rows: None
    return lambda table, rows: say(f"{table}: {rows:,} rows", err=True)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("service")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _terminable() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, _interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """asyncio's own handler, which it puts in the place of Python's but not of this one, would
    wait for the loop, while a write to a pipe that nobody reads goes on and on."""
    raise KeyboardInterrupt
