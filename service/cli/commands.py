"""Commands for operators: `readlog …`, or `quart --app service.app:create_app …`.

This module reads arguments and prints results. Each command imports the module that does its work
only when it runs, because every start of the application imports this module.
"""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from quart import Quart
from quart.cli import ScriptInfo, pass_script_info

from service import migrations
from service.cli.terminal import (
    Command,
    WrongUsageError,
    confirm,
    read_password,
    refusing,
    say,
    standard_output,
    teller,
    working,
)
from service.config import Settings
from service.text.bidi import escaped

if TYPE_CHECKING:
    from service.cli.backup.format import Header, Progress
    from service.cli.backup.reader import Contents
    from service.users.queries import UserSummary

EXIT = "Exit status: 0 done, 1 failed, 2 wrong configuration or usage."
NEWEST = 50  # accounts that `users` lists; a terminal shows about as many lines
MAX_NEWEST = 1_000  # bounds the memory

_password_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)
_yes = click.option("--yes", is_flag=True, help="Do not ask.")
_progress = click.option(
    "--progress", is_flag=True, help="Show progress even if standard error is not a terminal."
)


def init_app(app: Quart) -> None:
    """Add the commands to the application."""
    for command in COMMANDS:
        app.cli.add_command(command)


@click.command(
    "init_db", cls=Command, epilog=EXIT, short_help="Bring the database to the newest schema."
)
@click.option("--reset", is_flag=True, help="Delete everything first. Asks before it does.")
@pass_script_info
def init_db(info: ScriptInfo, reset: bool) -> None:
    """Bring the database to the newest schema, and keep all data."""
    settings = _settings(info)
    if reset:
        _confirm_deletion(settings)
    with refusing():
        revision = asyncio.run(_migrate(settings, reset=reset))
    say(f"The database is at revision {revision}.")


async def _migrate(settings: Settings, *, reset: bool) -> str:
    if reset:
        await migrations.reset(settings)
    return await migrations.upgrade(settings)


@click.command(
    "check-config",
    cls=Command,
    short_help="Say what is wrong or risky; change nothing.",
    epilog="Exit status: 0 fine, 1 risky or the database cannot be reached, 2 wrong.",
)
def check_config() -> None:
    """Say what is wrong or risky about the settings and the database; change nothing.

    Each line begins with its level: error (on standard error), warning (please change it), notice
    (for your information) or ok. No line contains a secret.
    """
    from service.cli import checks
    from service.config.inspection import is_on_render, read_settings

    settings = read_settings()
    if not isinstance(settings, Settings):
        for wrong in settings:
            say(f"error: {wrong}", err=True)
        raise click.exceptions.Exit(2)
    findings = list(checks.risks(settings, on_render=is_on_render()))
    with working():
        findings += asyncio.run(checks.database_risks(settings))
    for finding in findings:
        say(str(finding), err=finding.level == "error")
    if any(finding.wrong_setting for finding in findings):
        raise click.exceptions.Exit(2)
    if any(finding.level in ("error", "warning") for finding in findings):
        raise click.exceptions.Exit(1)
    say(f"ok: nothing wrong or risky: {settings.config_type}, {settings.database.display}")


@click.command("create-user", cls=Command, epilog=EXIT, short_help="Make an account.")
@click.argument("email")
@_password_stdin
@pass_script_info
def create_user(info: ScriptInfo, email: str, password_stdin: bool) -> None:
    """Make an account for EMAIL, by the rules of the page for registering.

    Asks for the password twice, and does not show it.
    """
    from service.cli import accounts as operators

    settings, password = _settings(info), read_password(from_stdin=password_stdin)
    with working():
        address = asyncio.run(operators.create_user(settings, email, password))
    say(f"There is an account for {address} now.")


@click.command(
    "set-password", cls=Command, epilog=EXIT, short_help="Give an account another password."
)
@click.argument("email")
@_password_stdin
@pass_script_info
def set_password(info: ScriptInfo, email: str, password_stdin: bool) -> None:
    """Give the account of EMAIL another password; end its sessions, revoke its access tokens.

    Asks for the password twice, and does not show it. The rules are those of registering.
    """
    from service.cli import accounts as operators

    settings, password = _settings(info), read_password(from_stdin=password_stdin)
    with working():
        address, ended = asyncio.run(operators.set_password(settings, email, password))
    say(f"{address} has the new password; sessions ended: {ended}.")


@click.command("users", cls=Command, epilog=EXIT, short_help="Show accounts; change nothing.")
@click.argument("email", required=False)
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_NEWEST),
    help=f"Without EMAIL: list at most so many accounts, {NEWEST} if this is not given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_script_info
def users(info: ScriptInfo, email: str | None, limit: int | None, as_json: bool) -> None:
    """Show the account of EMAIL, with the numbers of its books, sessions and access tokens.

    Without EMAIL, show how many accounts, books, sessions and access tokens there are, and list the
    newest accounts. Sessions and tokens that have expired are not counted.
    """
    from service.cli import accounts as operators

    if email is not None and limit is not None:
        raise WrongUsageError("--limit goes without EMAIL")
    settings = _settings(info)
    with working():
        if email is None:
            totals, newest = asyncio.run(operators.get_overview(settings, limit or NEWEST))
            found = {**totals._asdict(), "newest": [user._asdict() for user in newest]}
        else:
            found = asyncio.run(operators.get_summary(settings, email))._asdict()
    _print_found(msgspec.to_builtins(found), as_json=as_json)


def _print_found(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        say(json.dumps(found))  # ASCII, because the escapes that `say` writes are not JSON's
        return
    listed = found.pop("newest", ())
    for name, value in found.items():
        say(f"{name}: {value}")
    for user in listed:
        say(f"newest: {user['id']} {user['registered_on']} {user['email']}")


@click.command(
    "revoke-sessions", cls=Command, epilog=EXIT, short_help="Sign a person out everywhere."
)
@click.argument("email")
@click.option("--tokens", is_flag=True, help="Revoke the account's access tokens, too.")
@_yes
@pass_script_info
def revoke_sessions(info: ScriptInfo, email: str, tokens: bool, yes: bool) -> None:
    """End every session of the account of EMAIL; say how many there were.

    The person must sign in again in each browser. Asks first.
    """
    from service.cli import accounts as operators

    settings = _settings(info)
    account = _get_summary(settings, email)
    what = "sessions and access tokens" if tokens else "sessions"
    confirm(f"End all {what} of {account.email}?", yes=yes)
    with working():
        ended, revoked = asyncio.run(operators.revoke_sessions(settings, account.id, tokens=tokens))
    more = "" if revoked is None else f"; access tokens revoked: {revoked}"
    say(f"{account.email}: sessions ended: {ended}{more}.")


@click.command(
    "delete-user", cls=Command, epilog=EXIT, short_help="Delete an account with everything."
)
@click.argument("email")
@_yes
@pass_script_info
def delete_user(info: ScriptInfo, email: str, yes: bool) -> None:
    """Delete the account of EMAIL with all its books, sessions and access tokens, for good.

    Says how many there are, and asks first.
    """
    from service.cli import accounts as operators

    settings = _settings(info)
    account = _get_summary(settings, email)
    counts = {"books": account.books, "sessions": account.sessions, "tokens": account.tokens}
    say(f"The account of {account.email} has: {_in_words(counts)}.")
    confirm(f"Delete the account of {account.email} with everything?", yes=yes)
    with working():
        asyncio.run(operators.delete_user(settings, account.id))
    say(f"The account of {account.email} is deleted.")


def _get_summary(settings: Settings, email: str) -> "UserSummary":
    """Return an account. A command that asks a question then uses its id.

    Another account may get the address while the operator answers.
    """
    from service.cli import accounts as operators

    with working():
        return asyncio.run(operators.get_summary(settings, email))


@click.command("backup", cls=Command, epilog=EXIT, short_help="Write all data to a file.")
@click.argument("file")
@_progress
@pass_script_info
def backup(info: ScriptInfo, file: str, progress: bool) -> None:
    """Write all data to FILE, or to standard output for -.

    The data is that of one moment; the service may run meanwhile. Left out are the counts of rate
    limits, and the answers that are kept for repeated requests. If the name of FILE ends in .gz, it
    is compressed with gzip. Only its owner can read it, and an older FILE is replaced only when the
    new one is complete. A file from SQLite can be restored on PostgreSQL, and the reverse.
    """
    from service.cli.backup import files, writer

    settings, tell = _settings(info), teller(wanted=progress)
    with working():
        if file == "-":
            with standard_output() as stream:
                asyncio.run(writer.back_up(settings, stream, tell))
            return
        with files.replacing(Path(file)) as stream:
            written = asyncio.run(writer.back_up(settings, stream, tell))
    say(f"Written to {file}: {_in_words(written)}.")


@click.command(
    "restore",
    cls=Command,
    short_help="Fill the database from a file.",
    epilog=f"{EXIT} With --verify, a difference after restoring is 1.",
)
@click.argument("file")
@click.option("--verify", is_flag=True, help="Compare FILE with what is stored afterwards.")
@click.option("--file-only", is_flag=True, hidden=True)
@click.option("--replace", is_flag=True, help="Delete what is stored first. Asks before it does.")
@click.option("--yes", is_flag=True, help="With --replace: do not ask.")
@_progress
@pass_script_info
def restore(
    info: ScriptInfo,
    file: str,
    verify: bool,
    file_only: bool,
    replace: bool,
    yes: bool,
    progress: bool,
) -> None:
    """Fill the database from FILE, which `backup` has written, or from standard input for -.

    The database must be at the newest schema and, without --replace, empty. All of FILE is
    restored or, if it is damaged, truncated or of another schema, nothing. Stop the service first.
    """
    if file_only:  # in earlier releases, `restore --verify --file-only` restored nothing
        raise WrongUsageError("--file-only goes with `compare`: readlog compare FILE --file-only")
    if yes and not replace:
        raise WrongUsageError("--yes goes with --replace")
    if replace and file == "-" and not yes:
        raise WrongUsageError("--replace needs --yes if FILE is -: there is nobody to ask")
    settings, tell = _settings(info), teller(wanted=progress)
    if replace and not yes:
        _confirm_deletion(settings)
    from service.cli.backup import files, restoring

    with working(), files.opened(file) as stream:
        header, restored = asyncio.run(restoring.restore(settings, stream, tell, replace=replace))
    say(f"Restored from {file}: {_in_words(_rows_of(restored))}.")
    if verify:
        _compare(settings, header, restored, tell)


@click.command(
    "compare",
    cls=Command,
    short_help="Compare a file with what is stored.",
    epilog=f"{EXIT} A damaged file, or a difference, is 1.",
)
@click.argument("file")
@click.option("--file-only", is_flag=True, help="Only say whether FILE is complete and undamaged.")
@_progress
@pass_script_info
def compare(info: ScriptInfo, file: str, file_only: bool, progress: bool) -> None:
    """Compare FILE, or standard input for -, with the data in the database; change nothing.

    FILE must come from `backup`. With --file-only no database is needed.
    """
    from service.cli.backup import comparing, files

    settings, tell = _settings(info), teller(wanted=progress)
    with working(), files.opened(file) as stream:
        header, dumped = comparing.read_contents(stream, tell)
    _describe_dump(header, dumped)
    if not file_only:
        _compare(settings, header, dumped, tell)


def _compare(settings: Settings, header: "Header", dumped: "Contents", tell: "Progress") -> None:
    """Print one line for each table. The exit status is 1 if a table differs."""
    from service.cli.backup import comparing

    with working():
        stored = asyncio.run(comparing.stored_contents(settings, header, tell))
    for table, content in dumped.items():
        same = "same" if stored[table] == content else "different"
        say(f"{same}: {table}: {content.rows} rows in the dump, {stored[table].rows} stored")
    if stored != dumped:
        raise click.ClickException("the data in the database differs from the dump")


def _describe_dump(header: "Header", dumped: "Contents") -> None:
    release = f"{header.version} {header.release}".strip()
    written = f"{header.written_at:%Y-%m-%dT%H:%M:%SZ}"
    say(
        f"whole: written {written} by release {release} at revision {header.revision}:"
        f" {_in_words(_rows_of(dumped))}"
    )


def _settings(info: ScriptInfo) -> Settings:
    settings: Settings = info.load_app().extensions["settings"]
    return settings


def _confirm_deletion(settings: Settings) -> None:
    where = escaped(settings.database.display)
    click.confirm(f"Delete all accounts and books in {where}?", abort=True)


def _rows_of(contents: "Contents") -> dict[str, int]:
    return {table: content.rows for table, content in contents.items()}


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{table} {rows}" for table, rows in counts.items())


COMMANDS = (
    init_db,
    check_config,
    create_user,
    set_password,
    users,
    revoke_sessions,
    delete_user,
    backup,
    restore,
    compare,
)
