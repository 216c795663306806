"""Traces: what is in them, what never is, and that nobody waits for a collector."""

import asyncio
import io
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from service.app import create_app
from service.config import Settings
from service.db.statements import Statement, scalar
from service.telemetry import tracing
from tests.books.forms import a_book
from tests.log_output import under_gunicorn
from tests.people import PASSWORD, add_person
from tests.telemetry.collector import Collector, Status, attributes, collecting
from tests.wire import Answer, send, send_form

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        # The SDK reads it itself, from where it always is.
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.fixture
def environment(
    database_url: str, collector: Collector, request: pytest.FixtureRequest
) -> dict[str, str]:
    variables = {
        "CONFIG_TYPE": "testing",
        "DATABASE_URL": database_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
    return variables | getattr(request, "param", {})


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    with under_gunicorn() as stream:
        yield stream


async def traced(settings: Settings, *targets: str) -> list[Answer]:
    """Ask for each; when this returns, the application has stopped and sent what it had."""
    app = create_app(settings)
    async with app.test_app():
        return [await send(app, target=target) for target in targets]


async def test_span_for_each_request(settings: Settings, collector: Collector) -> None:
    """Named by its route, with the id that the log has, and the page's statements below it."""
    app = create_app(settings)
    async with app.test_app():
        alice = await add_person(app, "alice@example.com")
        sent = [("Cookie", f"readlog-session={alice.cookie()}"), ("X-Request-ID", "the-one-of-it")]
        assert (await send(app, target="/books/", headers=sent)).status == 200
    [span] = collector.requests()
    assert span.name == "GET /books/"
    assert attributes(span) == {
        "http.request.method": "GET",
        "url.scheme": "http",
        "http.route": "/books/",
        "http.response.status_code": 200,
        "readlog.request_id": "the-one-of-it",
    }
    assert not span.parent_span_id
    assert span.status.code == Status.STATUS_CODE_UNSET
    statements = collector.statements(of=span)
    assert 1 <= len(statements) <= 2
    for statement in statements:
        assert statement.trace_id == span.trace_id
        told = attributes(statement)
        assert told.keys() == {"db.system.name", "db.operation.name", "db.query.text"}
        assert told["db.system.name"] == settings.database.url.get_backend_name()
        assert told["db.operation.name"] == statement.name == "SELECT"
        assert span.start_time_unix_nano <= statement.start_time_unix_nano
        assert statement.end_time_unix_nano <= span.end_time_unix_nano
    assert any("FROM books" in str(attributes(it)["db.query.text"]) for it in statements)


@on_sqlite
async def test_trace_goes_on(settings: Settings, collector: Collector, output: io.StringIO) -> None:
    """A trace that begins before us is continued; what is no trace is none, and no line."""
    app = create_app(settings)
    async with app.test_app():
        for parent in (f"00-{TRACE_ID}-{PARENT_ID}-01", "00-nothing", "", "\xff" * 3000):
            sent = [(b"traceparent", parent.encode("latin-1")), (b"baggage", b"a" * 9000)]
            assert (await send(app, target="/livez", headers=sent)).status == 200
    spans = collector.requests()
    assert [span.parent_span_id.hex() for span in spans] == [PARENT_ID, "", "", ""]
    assert spans[0].trace_id.hex() == TRACE_ID
    assert len({span.trace_id for span in spans}) == 4
    assert output.getvalue() == ""


@on_sqlite
async def test_requests_without_a_route(settings: Settings, collector: Collector) -> None:
    """An address or a method that somebody made up names no span."""
    app = create_app(settings)
    async with app.test_app():
        await send(app, target="/alice@example.com")
        await send(app, "BREW", "/login", headers=[("Origin", "http://localhost")])
    assert [span.name for span in collector.requests()] == ["GET", "_OTHER"]
    assert [attributes(it)["http.response.status_code"] for it in collector.requests()] == [
        404,
        405,
    ]


async def test_nobody_is_named(settings: Settings, collector: Collector) -> None:
    """Not what people type, where they come from, what proves who they are, nor what an error says.

    PostgreSQL's quotes the row that is there already.
    """
    app = create_app(settings)
    secrets = [
        "zoe@example.com",
        PASSWORD,
        PASSWORD.split()[0],
        "Grapes",
        "192.0.2.77",
        "q-u-e-r-y",
    ]
    async with app.test_app():
        account = f"email=zoe%40example.com&password={PASSWORD}&confirm={PASSWORD}"
        body = account.replace(" ", "+").encode()
        first = await send_form(app, "/register", body, peer="192.0.2.77")
        assert first.status == 303
        assert (await send_form(app, "/register", body, peer="192.0.2.77")).status == 422
        cookie = first.all("Set-Cookie")[0].partition(";")[0]
        secrets += [cookie.partition("=")[2], "bearer-of-news", "agent-of-zoe"]
        sent = [("Cookie", cookie), ("Authorization", "Bearer bearer-of-news")]
        sent += [("User-Agent", "agent-of-zoe")]
        grapes = urlencode(a_book(book_title="Grapes")).encode()
        added = await send_form(app, "/books/add", grapes, headers=sent)
        assert added.status == 303
        for target in ("/books/?q-u-e-r-y=1", "/profile", "/zoe@example.com/Grapes"):
            await send(app, target=target, headers=sent, peer="192.0.2.77")
        wrong = b"email=zoe%40example.com&password=Grapes-of-wrath"
        assert (await send_form(app, "/login", wrong, peer="192.0.2.77")).status == 401
    failed = [span for span in collector.statements() if span.status.code]
    assert [attributes(span)["error.type"] for span in failed] in (
        ["UniqueViolationError"],
        ["IntegrityError"],
    )
    assert {span.status.message for span in collector.spans} == {""}
    assert not any(span.events for span in collector.spans)
    told = b"".join(collector.bodies).lower()
    assert b"insert into books" in told
    assert [secret for secret in secrets if secret.lower().encode() in told] == []


class TestWithoutDatabase:
    """Nothing listens where the database should be."""

    @pytest.fixture
    def database_url(self) -> str:
        return "postgresql://reader@127.0.0.1:1/books?sslmode=disable"

    async def test_failed_requests(self, settings: Settings, collector: Collector) -> None:
        """Are marked as such; those that people got wrong are not."""
        await traced(settings, "/status", "/nowhere")
        failed, refused = collector.requests()
        assert failed.status.code == Status.STATUS_CODE_ERROR
        assert attributes(failed)["error.type"] == "503"
        assert refused.status.code == Status.STATUS_CODE_UNSET
        assert "error.type" not in attributes(refused)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_statement_that_takes_too_long(
    settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that is given up has a span, too."""
    sleeping = Statement(text("SELECT pg_sleep(30)"), scalar)
    monkeypatch.setattr("service.server.status._HAS_TABLES", sleeping)
    monkeypatch.setattr("service.db.UNIT_TIMEOUT", 0.3)
    [answer] = await traced(settings, "/status")
    assert answer.status == 503
    [span] = collector.statements()
    assert span.status.code == Status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] in ("CancelledError", "TimeoutError")


@on_sqlite
async def test_names_of_the_service(
    settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours, unless the operator has others."""
    await traced(settings, "/livez")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "readlog-eu")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    await traced(settings, "/livez")
    first, second = collector.resources
    assert first["service.name"] == "readlog"
    assert second["service.name"] == "readlog-eu"
    assert second["deployment.environment.name"] == "test"


@on_sqlite
async def test_sampler(
    settings: Settings, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard variables that we do not read are heeded."""
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    await traced(settings, "/livez")
    assert collector.bodies == []


@on_sqlite
async def test_silent_collector(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are answered and the service stops, while the exporter still waits for an answer."""
    monkeypatch.setattr(tracing, "FLUSH_TIMEOUT", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv(
            "OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        answers = await traced(settings, *["/livez"] * 20)
        exporting = _exporting()
        assert [answer.status for answer in answers] == [200] * 20
        assert len(exporting) == 1, "it did not wait for the collector"
    await asyncio.to_thread(exporting[0].join, 20)


@on_sqlite
async def test_no_collector(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, output: io.StringIO
) -> None:
    """Where nothing listens, requests are answered, and one line tells of each batch."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    answers = await traced(settings, *["/livez"] * 20)
    assert [answer.status for answer in answers] == [200] * 20
    assert _exporting() == []
    [line] = output.getvalue().splitlines()
    assert line.startswith("ERROR ")
    assert "Failed to export span" in line  # the rest of the sentence differs between releases


@on_sqlite
@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "no exporter 'otlp_proto_grpc' is installed"),
        ({"OTEL_TRACES_EXPORTER": "nosuch"}, "no exporter 'nosuch' is installed"),
    ],
    indirect=["environment"],
)
async def test_exporter_not_installed(settings: Settings, reason: str, output: io.StringIO) -> None:
    """One line says so, and people are served."""
    [answer] = await traced(settings, "/livez")
    assert answer.status == 200
    [line] = output.getvalue().splitlines()
    assert line.startswith("WARNING ")
    assert f"traces are switched on, but cannot start: {reason}" in line


@on_sqlite
async def test_wrong_variable(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, output: io.StringIO
) -> None:
    """What only the SDK understands stops nothing either, and no header is repeated in the log."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "opensesame")
    [answer] = await traced(settings, "/livez")
    assert answer.status == 200
    [line] = output.getvalue().splitlines()
    assert "traces cannot start: max_queue_size" in line
    assert "opensesame" not in line


def _exporting() -> list[threading.Thread]:
    return [it for it in threading.enumerate() if it.name.startswith("OtelBatchSpan")]
