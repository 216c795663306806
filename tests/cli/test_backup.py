"""backup and restore as an operator meets them: what they say, ask and exit with."""

import asyncio
import gzip
import stat
from pathlib import Path
from typing import Any

import pytest

from service.cli.backup import restoring
from service.config import Settings
from service.migrations import head
from tests.cli.backup.databases import execute, fill, rows_of, some_of_everything, stored
from tests.cli.conftest import Run

COUNTS = "legacy_books 1, users 2, access_tokens 1, books 9, sessions 1"


@pytest.fixture
def before(settings: Settings) -> Any:
    """What is stored: some of everything."""
    asyncio.run(fill(settings, some_of_everything()))
    return asyncio.run(stored(settings))


@pytest.fixture
def file(before: object, run: Run, tmp_path: Path) -> Path:
    """A dump of it."""
    path = tmp_path / "dump.jsonl.gz"
    assert run("backup", str(path)).exit_code == 0
    return path


def change(settings: Settings, statement: str = "DELETE FROM books WHERE id = 4") -> None:
    asyncio.run(execute(settings, statement))


def test_to_a_file_and_back(run: Run, settings: Settings, before: object, tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl.gz"
    done = run("backup", str(path))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"Written to {path}: {COUNTS}.\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    change(settings, "DELETE FROM users")
    for table in ("access_tokens", "sessions", "books", "legacy_books"):
        change(settings, f"DELETE FROM {table}")
    done = run("restore", str(path))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"Restored from {path}: {COUNTS}.\n"
    assert asyncio.run(stored(settings)) == before


def test_through_pipes(run: Run, settings: Settings, before: object, file: Path) -> None:
    """Nothing but the dump on standard output, and packed or not on standard input."""
    done = run("backup", "-")
    assert (done.exit_code, done.stderr) == (0, "")
    assert rows_of(done.stdout_bytes) == rows_of(gzip.decompress(file.read_bytes()))
    for data in (done.stdout_bytes, file.read_bytes()):
        change(settings)
        done = run("restore", "-", "--replace", "--yes", input=data)
        assert (done.exit_code, done.stdout) == (0, f"Restored from -: {COUNTS}.\n")
        assert asyncio.run(stored(settings)) == before


def test_replacing_asks(run: Run, settings: Settings, before: object, file: Path) -> None:
    change(settings)
    changed = asyncio.run(stored(settings))
    done = run("restore", str(file))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: the database is not empty, there are rows in ")
    for answer in ("n\n", "\n", ""):
        done = run("restore", str(file), "--replace", input=answer)
        assert done.exit_code == 1
        assert f"Delete all accounts and books in {settings.database.display}?" in done.output
    assert asyncio.run(stored(settings)) == changed
    assert run("restore", str(file), "--replace", input="y\n").exit_code == 0
    assert asyncio.run(stored(settings)) == before


SAME = [
    "same: legacy_books: 1 rows in the dump, 1 stored",
    "same: users: 2 rows in the dump, 2 stored",
    "same: access_tokens: 1 rows in the dump, 1 stored",
    "same: books: 9 rows in the dump, 9 stored",
    "same: sessions: 1 rows in the dump, 1 stored",
]


def test_compare(run: Run, settings: Settings, before: object, file: Path) -> None:
    done = run("compare", str(file))
    assert (done.exit_code, done.stderr) == (0, "")
    first, *others = done.stdout.splitlines()
    assert first.startswith("whole: written 20")
    assert first.endswith(COUNTS)
    assert others == SAME
    assert asyncio.run(stored(settings)) == before


def test_restore_and_verify(run: Run, settings: Settings, before: object, file: Path) -> None:
    """It restores, and compares what is stored then; from a file and from a pipe."""
    for name, data in ((str(file), None), ("-", file.read_bytes())):
        change(settings)
        done = run("restore", name, "--verify", "--replace", "--yes", input=data)
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [f"Restored from {name}: {COUNTS}.", *SAME]
        assert asyncio.run(stored(settings)) == before


def test_restore_and_verify_into_empty(run: Run, settings: Settings, file: Path) -> None:
    """Without --replace, as after `init_db`."""
    for table in ("access_tokens", "sessions", "books", "legacy_books", "users"):
        change(settings, f"DELETE FROM {table}")
    done = run("restore", str(file), "--verify")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"Restored from {file}: {COUNTS}.", *SAME]


def test_restore_and_verify_a_difference(
    run: Run, settings: Settings, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody else writes in between is found."""
    restore = restoring.restore

    async def restore_and_change(*args: Any, **options: Any) -> Any:
        result = await restore(*args, **options)
        await execute(settings, "UPDATE books SET rating = 4 WHERE id = 4")
        return result

    monkeypatch.setattr(restoring, "restore", restore_and_change)
    done = run("restore", str(file), "--verify", "--replace", "--yes")
    assert done.exit_code == 1
    assert "different: books: 9 rows in the dump, 9 stored" in done.stdout
    assert done.stderr == "Error: the data in the database differs from the dump\n"


def test_verify_never_compares_only(
    run: Run, settings: Settings, before: object, file: Path
) -> None:
    """Scripts that used it to compare are told of `compare`, and nothing is changed."""
    done = run("restore", str(file), "--verify")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "the database is not empty" in done.stderr
    assert "`readlog compare` compares and changes nothing" in done.stderr
    done = run("restore", str(file), "--verify", "--file-only")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "readlog compare FILE --file-only" in done.stderr
    assert asyncio.run(stored(settings)) == before


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("DELETE FROM books WHERE id = 4", "different: books: 9 rows in the dump, 8 stored"),
        ("UPDATE books SET rating = 4 WHERE id = 4", "different: books: 9 rows in the dump, 9 s"),
    ],
)
def test_compare_difference(
    run: Run, settings: Settings, file: Path, statement: str, line: str
) -> None:
    change(settings, statement)
    changed = asyncio.run(stored(settings))
    done = run("compare", str(file))
    assert done.exit_code == 1
    assert done.stderr == "Error: the data in the database differs from the dump\n"
    [found] = [line for line in done.stdout.splitlines() if line.startswith("different")]
    assert found.startswith(line)
    assert asyncio.run(stored(settings)) == changed
    # The file is none the worse for it.
    assert run("compare", str(file), "--file-only").exit_code == 0


def test_file_only_needs_no_database(run: Run, file: Path) -> None:
    url = "postgresql://127.0.0.1:1/none"
    done = run("compare", str(file), "--file-only", DATABASE_URL=url)
    assert (done.exit_code, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        ["restore", "--replace", "--yes"],
        ["restore", "--replace", "--yes", "--verify"],
        ["compare"],
        ["compare", "--file-only"],
    ],
)
def test_damaged(
    run: Run, settings: Settings, before: object, file: Path, command: list[str]
) -> None:
    file.write_bytes(file.read_bytes()[:-20])
    done = run(*command, str(file))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: the compressed file is truncated: its end is missing\n"
    assert asyncio.run(stored(settings)) == before


def test_compare_other_revision(run: Run, file: Path) -> None:
    """Whole, which is said, but nothing to be compared."""
    data = gzip.decompress(file.read_bytes())
    header, rest = data.split(b"\n", 1)
    del rest
    file.write_bytes(_empty_dump(header.replace(f'"{head()}"'.encode(), b'"older"')))
    done = run("compare", str(file))
    assert done.exit_code == 1
    assert done.stdout.startswith("whole: ")
    assert "made at schema revision older, and this release has" in done.stderr


def _empty_dump(header: bytes) -> bytes:
    import hashlib

    digest = hashlib.sha256(header + b"\n").hexdigest()
    rows = '"legacy_books":0,"users":0,"access_tokens":0,"books":0,"sessions":0'
    return header + f'\n{{"end":{{"rows":{{{rows}}},"sha256":"{digest}"}}}}\n'.encode()


def test_missing_file(run: Run, tmp_path: Path) -> None:
    for command in (["restore"], ["restore", "--verify"], ["compare"], ["compare", "--file-only"]):
        done = run(*command, str(tmp_path / "none"))
        assert (done.exit_code, done.stdout) == (1, "")
        [line] = done.stderr.splitlines()
        assert line.endswith("none: No such file or directory")


@pytest.mark.parametrize(
    "arguments",
    [
        ["backup"],
        ["backup", "a", "b"],
        ["restore"],
        ["restore", "a", "--verify", "--yes"],
        ["restore", "-", "--verify", "--replace"],
        ["compare"],
        ["compare", "a", "--verify"],
        ["compare", "a", "--replace"],
        ["restore", "a", "--file-only"],
        ["restore", "a", "--yes"],
        ["restore", "-", "--replace"],
        ["restore", "a", "--force"],
        ["bakcup", "a"],
    ],
)
def test_usage(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_progress(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On standard error, and only for those who want it."""
    monkeypatch.setattr("service.cli.backup.tables.PROGRESS_ROWS", 4)
    monkeypatch.setattr("service.cli.backup.reader.PROGRESS_ROWS", 4)
    told = "books: 4 rows\nbooks: 8 rows\n"
    assert run("backup", str(file), "--progress").stderr == told
    assert run("restore", str(file), "--replace", "--yes", "--progress").stderr == told
    assert run("compare", str(file), "--progress").stderr == told * 2
    assert run("backup", str(file)).stderr == ""
