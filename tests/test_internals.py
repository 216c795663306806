"""What the service uses or overrides of its libraries without being promised that it stays.

Each name is held as it was when somebody read it. A failure says what to look at again; when the
service still does the right thing with the library's new version, add the new hash. Every version
between requirements-lowest.txt and requirements.txt must be known.
"""

import ast
import hashlib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from quart.asgi import ASGIHTTPConnection
from quart.wrappers.request import Body as QuartBody
from quart.wrappers.response import DataBody
from sqlalchemy.sql.compiler import SQLCompiler
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server as UvicornServer
from uvicorn.server import ServerState
from uvicorn_worker import UvicornWorker

import service
from service.server.worker import BoundedProtocol
from service.web.connection import Body

LIBRARIES = {
    *("asyncpg", "flask", "gunicorn", "quart", "sqlalchemy", "uvicorn", "uvicorn_worker"),
    "werkzeug",
}
MOST = 6  # private names in all: each costs a reading of the library at every update


@dataclass(frozen=True)
class Internal:
    """A function of a library, and the first digits of its source's SHA-256, by version."""

    owner: type
    name: str
    user: str  # the one module that uses or overrides it
    parameters: tuple[str, ...]
    known: frozenset[str]

    @property
    def label(self) -> str:
        """Library, class and function."""
        return f"{self.owner.__module__.partition('.')[0]}'s {self.owner.__name__}.{self.name}"


CONNECTION = "service.web.connection"
WORKER = "service.server.worker"
PRIVATE = [
    # Called: how Quart makes its request of a scope, and sends an answer that is a stream.
    Internal(
        ASGIHTTPConnection,
        "_create_request_from_scope",
        CONNECTION,
        ("self", "send"),
        frozenset({"3476af7fd451"}),
    ),
    Internal(
        ASGIHTTPConnection,
        "_send_response",
        CONNECTION,
        ("self", "send", "response"),
        frozenset({"2958216ed9d8", "a35910cc5daa"}),  # Quart 0.22, 0.23
    ),
    # Overridden, though uvicorn documents none of them.
    Internal(HttpToolsProtocol, "shutdown", WORKER, ("self",), frozenset({"d7351fa33f00"})),
    Internal(
        HttpToolsProtocol,
        "send_400_response",
        WORKER,
        ("self", "msg"),
        frozenset({"ae5a4a3782b6"}),
    ),
    Internal(UvicornServer, "on_tick", WORKER, ("self", "counter"), frozenset({"60ea49b06ccf"})),
    Internal(UvicornServer, "shutdown", WORKER, ("self", "sockets"), frozenset({"9b33c5056299"})),
]
# Public to override, but what ours do is made to fit what the libraries' own do.
REPLACED = [
    Internal(
        ASGIHTTPConnection,
        "__call__",
        CONNECTION,
        ("self", "receive", "send"),
        frozenset({"ebafa58faeb1", "11ba6bfecbbc"}),  # Quart 0.22, 0.23
    ),
    Internal(
        HttpToolsProtocol, "connection_lost", WORKER, ("self", "exc"), frozenset({"c91a4c9bf2e2"})
    ),
    Internal(
        HttpToolsProtocol, "data_received", WORKER, ("self", "data"), frozenset({"010a7ae59a5d"})
    ),
    Internal(
        HttpToolsProtocol, "on_headers_complete", WORKER, ("self",), frozenset({"1ea8589acfad"})
    ),
    Internal(UvicornWorker, "run", WORKER, ("self",), frozenset({"00ca1919b3ed"})),
    Internal(UvicornWorker, "_serve", WORKER, ("self",), frozenset({"eb799ef03d63"})),
]
# Documented to be overridden: by Quart, Werkzeug, SQLAlchemy, asyncio, httptools and gunicorn.
DOCUMENTED = {
    "service.__main__": {"list_commands"},
    "service.models.base": {"cache_ok", "process_bind_param", "process_result_value"},
    "service.models.clock": {"inherit_cache", "type"},
    "service.server.worker": {
        *("connection_made", "connection_lost", "data_received", "pause_writing"),
        *("resume_writing", "on_message_begin", "on_headers_complete"),
        *("CONFIG_KWARGS", "run"),
    },
    "service.web.connection": {
        *("asgi_http_class", "body_class", "create_url_adapter", "make_default_options_response"),
    },
    "service.web.flashes": {"open_session", "save_session"},
    "service.web.guards": {"form_data_parser_class", "parse"},
    "service.web.pages": {"make_conditional"},
    "service.web.routing": {"regex", "to_python"},
}
# Set on our classes by SQLAlchemy's `compiles` and by Werkzeug.
SET_BY_LIBRARIES = {"_compiler_dispatch", "part_isolating"}
# Documented in spite of its underscore.
NO_INTERNALS = {"_asdict", "_replace"}


def look_again(internal: Internal, change: str) -> str:
    return f"look at {internal.user} again: {internal.label} {change}"


@pytest.mark.parametrize("internal", [*PRIVATE, *REPLACED], ids=lambda it: it.label)
def test_unchanged(internal: Internal) -> None:
    function = getattr(internal.owner, internal.name, None)
    assert function is not None, look_again(internal, "is gone")
    parameters = tuple(inspect.signature(function).parameters)
    assert parameters == internal.parameters, look_again(internal, f"takes {parameters}")
    digest = hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:12]
    assert digest in internal.known, look_again(internal, f"changed: its source is {digest}")


def test_few_and_in_two_places() -> None:
    assert len(PRIVATE) <= MOST
    assert {internal.user for internal in PRIVATE} == {CONNECTION, WORKER}


def test_every_private_name_is_known() -> None:
    """An attribute with an underscore, not of `service` itself, is a library's."""
    root = Path(service.__file__).parent
    trees = {path: ast.parse(path.read_text()) for path in sorted(root.rglob("*.py"))}
    own = {name for tree in trees.values() for name in defined(tree)}
    found = {
        (".".join(path.relative_to(root.parent).with_suffix("").parts), node.attr)
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own
    }
    listed = {(it.user, it.name) for it in PRIVATE if is_private(it.name)}
    assert {it for it in found if it[1] not in NO_INTERNALS} == listed


def test_every_overridden_name_is_known() -> None:
    """A new one is documented by its library, or gets a test of its own here."""
    listed = {(it.user, it.name) for it in PRIVATE if not is_private(it.name)}
    documented = {(module, name) for module, names in DOCUMENTED.items() for name in names}
    assert set(overridden()) == listed | documented


def test_own_attributes_hide_none() -> None:
    """What ours keep on an object does not stand where the library keeps something else."""
    body = {"limit", "receive", "_announced", "_received", "_given", "_parts"}
    assert body == vars(Body(None, None)).keys() - vars(QuartBody(None, None)).keys()
    assert not body & set(dir(QuartBody))
    assert not {"leaving"} & vars(ServerState()).keys()
    source = inspect.getsource(HttpToolsProtocol)
    for name in ("_deadline", "_send_deadline", "_unanswered"):
        assert name in BoundedProtocol.__annotations__
        assert f"self.{name}" not in source
    for name in ("parent", "listeners"):
        assert f"self.{name}" not in inspect.getsource(UvicornServer)


def test_attributes_of_uvicorn() -> None:
    """What `service.server.worker` reads and sets must mean something there."""
    source = inspect.getsource(HttpToolsProtocol)
    for name in ("loop", "server_state", "transport"):
        assert f"self.{name}" in source, name
    for name in ("disconnected", "keep_alive", "response_complete"):
        assert f"self.cycle.{name}" in source, name
    source = inspect.getsource(UvicornServer)
    for name in ("force_exit", "lifespan.state", "servers", "server_state", "should_exit"):
        assert f"self.{name}" in source, name


def test_attributes_of_others() -> None:
    """Of Quart's and SQLAlchemy's classes; missing, each would fail in a request."""
    body = DataBody(b"text")
    assert body.data[body.begin : body.end] == b"text"
    for name in ("insert_prefetch", "update_prefetch", "positiontup"):
        assert name in SQLCompiler.__annotations__ or hasattr(SQLCompiler, name), name


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def defined(tree: ast.Module) -> Iterator[str]:
    """Names of functions, classes, fields and attributes of `self` that a module defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        ):
            yield node.attr


def overridden() -> Iterator[tuple[str, str]]:
    """Modules, and names of their classes that a base class of a library has, too."""
    for module in pkgutil.walk_packages(service.__path__, "service."):
        for found in list(vars(importlib.import_module(module.name)).values()):
            if not (inspect.isclass(found) and found.__module__ == module.name):
                continue
            bases = [
                base for base in found.__mro__ if base.__module__.partition(".")[0] in LIBRARIES
            ]
            for name in vars(found).keys() - SET_BY_LIBRARIES:
                if not name.startswith("__") and any(name in vars(base) for base in bases):
                    yield module.name, name
