"""docs/api.md: what it says to type is typed as it stands there, and works."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service import exceptions, idempotency
from service.api import batch, books, cursors
from service.limits import rules as limiting
from service.tokens import rules as tokens
from service.users import forms
from service.users.exceptions import EmailTakenError
from service.web import request_limits
from tests.api.accounts import add_token
from tests.etags import FORMS
from tests.live.proxies import rewriting
from tests.servers import ROOT, gunicorn

MANUAL = (ROOT / "docs" / "api.md").read_text()
EXAMPLE = "https://books.example.org"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)


# After it all, on a network that loses the first answer and whose proxy answers for itself once.
LOSSES = """
import io
from email.message import Message

reach, losses = urllib.request.urlopen, ["lost", "proxy", "lost", "proxy"]

def urlopen(request, **options):
    if request.method == "GET" or not losses:
        return reach(request, **options)
    loss = losses.pop(0)
    if loss == "proxy":
        page = io.BytesIO(b"<html>Bad gateway</html>")
        raise urllib.error.HTTPError(request.full_url, 502, "Bad Gateway", Message(), page)
    reach(request, **options).close()
    raise ConnectionResetError

before = list(books())
urllib.request.urlopen = urlopen
edit(before[0]["id"], lambda book: {"title": book["title"] + ", at last"})
_, now = call("GET", f"/books/{before[0]['id']}")
assert now["title"] == before[0]["title"] + ", at last"
call("POST", "/books", {"title": "Once", "author": "Nobody"})
assert losses == []
assert len(list(books())) == len(before) + 1
"""


# The documented loop where it cannot succeed: it must end, and say why.
CONTENTION = """
tries, pauses = [], []
time.sleep = pauses.append

def meddle(book):
    tries.append(book["version"])
    call("PATCH", f"/books/{book['id']}", {"author": f"Editor {len(tries)}"})
    return {"title": "Never"}

_, book = call("POST", "/books", {"title": "Emma", "author": "Jane Austen"})
try:
    edit(book["id"], meddle)
except TimeoutError as error:
    assert str(error) == f"Somebody else changed book {book['id']} before each of {TRIES} tries."
else:
    raise AssertionError("nobody said that it was not done")
assert len(set(tries)) == len(pauses) == TRIES
assert call("GET", f"/books/{book['id']}")[1]["title"] == "Emma"
"""
# The same through a proxy, whose ETags are as it makes them.
EDITED = """
_, book = call("POST", "/books", {"title": "Emma", "author": "Jane Austen"})
headers, book = edit(book["id"], lambda book: {"title": book["title"] + ", read"})
assert book["title"] == "Emma, read"
assert edit(book["id"], lambda book: {"rating": 5})[1]["rating"] == 5
"""
NOT_EDITED = """
seen = []
_, book = call("POST", "/books", {"title": "Emma", "author": "Jane Austen"})
try:
    edit(book["id"], lambda book: seen.append(book) or {"title": "Never"})
except Refused as refusal:
    assert refusal.problem["code"] == "NO_ETAG", refusal
    assert "Send the ETag header" in str(refusal)
else:
    raise AssertionError("nobody said that it was not done")
assert seen == [call("GET", f"/books/{book['id']}")[1]]
"""


def definitions() -> str:
    """What the manual's Python defines, without what it does with it."""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
    tree = ast.parse("".join(blocks("python")))
    tree.body = [
        it
        for it in tree.body
        if isinstance(it, kinds)
        or (isinstance(it, ast.Assign) and ast.unparse(it.targets[0]).isupper())
    ]
    return ast.unparse(tree)


def run(url: str, token: str, script: str, about: str = "") -> None:
    """Run a script after the manual's definitions; fails with what it wrote."""
    done = subprocess.run(
        [sys.executable, "-c", f"{definitions()}\n{script}"],
        env={"READLOG": url, "READLOG_TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{about}: {done.stderr}"


def blocks(kind: str) -> list[str]:
    return [text for found, text in BLOCKS if found == kind]


def test_figures() -> None:
    """Every bound that it names is the one that holds."""
    for limit, words in (
        (limiting.WRITES_PER_USER, "300 a minute"),
        (limiting.REVOCATIONS, "300 a minute"),
        (limiting.LOGIN_PER_ACCOUNT, "10 in 5 minutes"),
        (limiting.LOGIN_PER_ADDRESS, "30 in 5 minutes"),
        (limiting.REGISTRATIONS_PER_ADDRESS, "100 an hour"),
        (limiting.EMAIL_CHANGES_PER_USER, "10 an hour"),
    ):
        period = {60: "a minute", 300: "in 5 minutes", 3600: "an hour"}[int(limit.period)]
        assert f"{limit.count} {period}" == words
        assert f"| {words} |" in MANUAL
    write = limiting.WRITES_PER_USER
    assert f'"{write.name}";q={write.count};w={write.period:g}' in MANUAL
    assert f"{forms.MIN_LIFETIME} to {forms.MAX_LIFETIME}, 90 days" in MANUAL
    assert forms.DEFAULT_LIFETIME == 90 * forms.DAY
    assert f"1 to {idempotency.MAX_KEY_LENGTH} printable" in MANUAL
    assert idempotency.LIFETIME.total_seconds() == 24 * 3600
    assert f"Up to {batch.MAX_OPERATIONS} operations" in MANUAL
    assert (batch.MAX_BODY, request_limits.MAX_BODY) == (1024 * 1024, 64 * 1024)
    assert f"an address of at most {request_limits.MAX_ADDRESS // 1024} KiB" in MANUAL
    assert f"headers of at most {request_limits.MAX_HEADERS // 1024} KiB" in MANUAL
    assert f"within {request_limits.BODY_TIMEOUT} seconds" in MANUAL
    assert f"`limit` is 1 to {books.MAX_PAGE_SIZE}, {books.PAGE_SIZE} where" in MANUAL
    assert f"one of {tokens.MAX_TOKENS}" in MANUAL
    for name in (*forms.SCOPES, *cursors.ORDERS):
        assert f"`{name}`" in MANUAL


def test_codes() -> None:
    """Every code that a program may meet is in the table."""
    found, kinds = set(), [exceptions.ServiceError]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        # Of those that have others below them the others are told.
        if not kind.__subclasses__() and kind.__module__.startswith("service."):
            found.add(kind.code)
    assert EmailTakenError.code in found
    assert {code for code in found if f"`{code}`" not in MANUAL} == set()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_typed_as_it_stands(environment: dict[str, str], tmp_path: Path) -> None:
    """All of it in one shell, then in one Python; only the address is another."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    assert [len(blocks(kind)) for kind in ("sh", "python", "text")] == [5, 6, 2]
    with gunicorn(environment) as server:
        python = "".join(blocks("python"))
        script = "\n".join([*blocks("sh"), f"python3 - <<'END'\n{python}{LOSSES}END\n"])
        assert script.count(EXAMPLE) == 1
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script.replace(EXAMPLE, server.url)],
            cwd=tmp_path,
            env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        log = server.log()
    assert done.returncode == 0, done.stderr + done.stdout
    assert "HTTP/1.1 201" in done.stdout
    assert re.search("304$", done.stdout, re.MULTILINE)
    assert json.loads((tmp_path / "problem.json").read_text())["code"] == "BOOK_CHANGED"
    assert blocks("text")[0] in done.stdout
    assert " 500 " not in log


def test_edit_ends(environment: dict[str, str]) -> None:
    """The documented loop gives up after a bounded number of rounds, and says why."""
    with gunicorn(environment) as server:
        run(server.url, add_token(server.url), CONTENTION)


def test_edit_through_proxies(environment: dict[str, str]) -> None:
    """It works with each form of an ETag, and ends at once with a tag that is none of ours."""
    with gunicorn(environment) as server:
        token = add_token(server.url)
        for name, form in FORMS.items():
            with rewriting(server.url, form) as url:
                run(url, token, EDITED, name)
        with rewriting(server.url, lambda _: '"5f1d-6a2b"') as url:
            run(url, token, NOT_EDITED)
