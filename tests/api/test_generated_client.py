"""A client that openapi-python-client generates from the description, against a live server."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.sites import new_email
from tests.live.processes import errors
from tests.people import PASSWORD
from tests.servers import Gunicorn, gunicorn

NAME = "generated_client"


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Gunicorn]:
    with gunicorn(environment, workers=1) as server:
        yield server
        assert errors(server.log()) == []


@pytest.fixture
def generated(server: Gunicorn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The client's folder, from which its modules can be imported; made without a warning."""
    binaries = Path(sys.executable).parent
    command = [str(binaries / "openapi-python-client"), "generate", "--meta", "none"]
    command += ["--url", f"{server.url}/api/v1/openapi.json", "--output-path", NAME]
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"  # it formats what it makes with ruff
    done = subprocess.run(
        [*command, "--fail-on-warning"],
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path), "PYTHONUTF8": "1"},
        timeout=120,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield tmp_path / NAME
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def module(path: str) -> Any:
    """A module of the client; nothing is known of its types here."""
    return importlib.import_module(f"{NAME}.{path}")


def test_generated_client(server: Gunicorn, generated: Path) -> None:
    """Register, make a token, add, list, change, see a conflict, delete, and leave."""
    models = module("models")
    with module("client").Client(base_url=server.url) as anybody:
        email = new_email()
        user = module("api.users.register").sync(
            client=anybody, body=models.NewUser(email=email, password=PASSWORD)
        )
        assert user.email == email
        wish = models.TokenRequest(email=email, password=PASSWORD, name="generated")
        wish.scopes = [*map(models.TokenRequestScopesItem, ("books:read", "books:write"))]
        token = module("api.tokens.make_token").sync(client=anybody, body=wish)
        assert token.token.startswith("rl_")
    with module("client").AuthenticatedClient(base_url=server.url, token=token.token) as client:
        use(models, client)


def use(models: Any, client: Any) -> None:
    """Books from the first to the last, by a client with a token for them."""
    books = "api.books."
    emma = models.BookInput(title="Emma", author="Jane Austen")
    added = module(books + "add_book").sync_detailed(
        client=client, body=emma, idempotency_key="a key of ours"
    )
    assert added.status_code == 201
    book = added.parsed
    assert (book.title, book.rating) == ("Emma", None)
    assert book.created_at.utcoffset().total_seconds() == 0
    again = module(books + "add_book").sync_detailed(
        client=client, body=emma, idempotency_key="a key of ours"
    )
    assert again.parsed == book
    assert again.headers["Idempotency-Replayed"] == "true"

    listed = module(books + "list_books").sync(client=client, limit=10, count=True)
    assert (listed.items, listed.count, listed.next_) == ([book], 1, None)
    etag = added.headers["ETag"]
    changed = module(books + "change_book").sync(
        book.id, client=client, body=models.BookPatch(rating=5), if_match=etag
    )
    assert (changed.title, changed.rating) == ("Emma", 5)
    stale = module(books + "replace_book").sync_detailed(
        book.id, client=client, body=emma, if_match=etag
    )
    assert (stale.status_code, stale.parsed.code) == (412, "BOOK_CHANGED")
    wrong = module(books + "replace_book").sync_detailed(
        book.id, client=client, body=models.BookInput(title="", author="x" * 301)
    )
    assert {error.field for error in wrong.parsed.errors} == {"title", "author"}
    assert module(books + "get_book").sync(book.id, client=client) == changed

    created = models.BatchCreate(op=models.BatchCreateOp.CREATE, book=emma)
    batch = models.Batch(operations=[created], atomic=False)
    done = module("api.batch.change_books").sync(client=client, body=batch)
    assert [result.status for result in done.results] == [201]

    deleted = module(books + "delete_book").sync_detailed(book.id, client=client)
    assert (deleted.status_code, deleted.parsed) == (204, None)
    missing = module(books + "get_book").sync(book.id, client=client)
    assert missing.code == "BOOK_NOT_FOUND"
    denied = module("api.users.delete_me").sync(client=client)
    assert denied.code == "INSUFFICIENT_SCOPE"
    left = module("api.tokens.revoke_current_token").sync_detailed(client=client)
    assert left.status_code == 204
    assert module(books + "list_books").sync(client=client).code == "NOT_AUTHENTICATED"
