"""Input and output of the commands: errors of one line, hidden passwords, progress."""

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

# Read from standard input; more than any accepted password takes, in any Unicode form.
MAX_PASSWORD_BYTES = 4096


@contextmanager
def one_line() -> Iterator[None]:
    """Remove the context of a usage error: with it, click would print two more lines."""
    try:
        yield
    except click.UsageError as error:
        raise click.UsageError(escaped(error.format_message())) from error


class Command(click.Command):
    """A command whose errors are one line each."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments. Raises UsageError with one line of text."""
        with one_line():
            return super().make_context(*args, **kwargs)


class WrongUsageError(click.ClickException):
    """The arguments or the settings are wrong: exit status 2."""

    exit_code = 2


def say(line: str, *, err: bool = False) -> None:
    """Write a line to standard output or standard error, with control characters escaped.

    So the line may quote an address, a file's name or its content.
    """
    click.echo(escaped(line), err=err)


@contextmanager
def refusing() -> Iterator[None]:
    """Turn a refusal in the block into one line and exit status 1, or 2 for a wrong setting."""
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
    """Do the same as `refusing`, and log errors only.

    SIGTERM ends the block at once, as ^C does; nothing half-done is left.
    """
    with _quiet(), _terminable(), refusing():
        yield


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Lend standard output for bytes. After an error, Python does not try to flush it at exit."""
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


def confirm(question: str, *, yes: bool) -> None:
    """Ask a question on the terminal, unless `yes` answers it.

    Raises Abort (exit status 1) for any answer but yes, and WrongUsageError without a terminal.
    """
    if yes:
        return
    if not has_terminal():
        raise WrongUsageError("no terminal to ask on: use --yes")
    click.confirm(escaped(question), abort=True, err=True)


def has_terminal() -> bool:
    """Return whether standard input is a terminal; after `<&-` in a shell there is none at all."""
    return sys.stdin is not None and sys.stdin.isatty()


def read_password(*, from_stdin: bool) -> str:
    """Return a password: typed twice and not shown, or standard input without its last line break.

    Raises WrongUsageError if the input is not UTF-8, or if there is no terminal to ask on.
    """
    if from_stdin:
        try:
            text = _decoded(sys.stdin.buffer.read(MAX_PASSWORD_BYTES))
        except UnicodeDecodeError:
            raise WrongUsageError("the password on standard input is not UTF-8") from None
        return text.removesuffix("\n").removesuffix("\r")
    with warnings.catch_warnings():
        # Without a terminal, getpass would show the password, with this warning.
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return _ask_twice()
        except getpass.GetPassWarning:
            raise WrongUsageError("no terminal to ask on: use --password-stdin") from None


def _decoded(data: bytes) -> str:
    """Decode UTF-8. A character that is cut by the limit of the length is left out."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    return decoder.decode(data, final=len(data) < MAX_PASSWORD_BYTES)


def _ask_twice() -> str:
    """Ask until both passwords have the same stored form; click would compare the typed texts."""
    while True:
        typed, again = (
            str(click.prompt(prompt, hide_input=True, err=True))
            for prompt in ("Password", "The same again")
        )
        if is_same(typed, again, PASSWORD_MAX_LENGTH):
            return typed
        click.echo("Error: The two entered values do not match.", err=True)


def teller(*, wanted: bool) -> Callable[[str, int], None]:
    """Return a function that prints progress to standard error, if that is a terminal or `wanted`.

    Otherwise the function does nothing.
    """
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
        yield  # only the main thread may set signal handlers
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, _interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    """Raise KeyboardInterrupt at once.

    asyncio.run() replaces Python's default handler, but not this one. Its own handler would wait
    for the event loop, which can be blocked for ever by a write to a pipe that nobody reads.
    """
    raise KeyboardInterrupt
