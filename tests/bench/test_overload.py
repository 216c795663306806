"""Arrivals at a fixed rate: when each is sent, what counts as good, and when it is over."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from bench import arrivals, requests
from bench.arrivals import NO_ANSWER, PROBE, Job, Outcome, Phase, schedule
from bench.overload import AFTER, BEFORE, judged, phases_of, recovery
from bench.serving import BenchError

OK, BUSY = 200, 503
OVERLOAD = 4.0  # seconds
PHASES = phases_of(capacity=10.0, seconds=OVERLOAD)
END = BEFORE + OVERLOAD


def outcomes(
    answered: Callable[[Outcome], tuple[int, float]], phases: list[Phase] = PHASES
) -> list[Outcome]:
    """Every request of the phases, with a status and a time for each."""
    found = schedule(phases)
    for one in found:
        one.status, one.took = answered(one)
    return found


def test_phases() -> None:
    """Half the capacity, twice the capacity, half of it again."""
    assert [(phase.rate, phase.seconds) for phase in PHASES] == [
        (5.0, BEFORE),
        (20.0, OVERLOAD),
        (5.0, AFTER),
    ]


def test_schedule() -> None:
    """Evenly spread within each phase, in the order of time, with ten probes a second."""
    found = schedule([Phase("a", 2.0, 1.0), Phase("b", 4.0, 0.5)])
    asked = [(one.phase, one.due) for one in found if one.phase != PROBE]
    assert asked == [("a", 0.0), ("a", 0.5), ("b", 1.0), ("b", 1.25)]
    assert sum(one.phase == PROBE for one in found) == 15
    assert [one.due for one in found] == sorted(one.due for one in found)


def test_judged_all_good() -> None:
    """Who answers all of twice its capacity has a capacity that was measured too low."""
    result = judged(outcomes(lambda _: (OK, 0.01)), 10.0, PHASES, log_lines=0, client=0.1)
    assert result.good == pytest.approx(2.0, rel=0.03)
    assert (result.refused, result.unanswered, result.recovery) == (0.0, 0.0, 0.0)
    assert result.good_p99 == pytest.approx(10)
    assert result.probe_worst == pytest.approx(10)
    assert result.probe_failures == 0


def test_judged_refusals() -> None:
    """Every second request is refused at once: the rest is the capacity, and soon answered."""
    turn = iter(range(10_000))

    def answered(one: Outcome) -> tuple[int, float]:
        refused = one.phase == "overload" and next(turn) % 2
        return (BUSY, 0.001) if refused else (OK, 0.05)

    result = judged(outcomes(answered), 10.0, PHASES, log_lines=7, client=0.1)
    assert result.good == pytest.approx(1.0, rel=0.05)
    assert (result.refused, result.unanswered) == (0.5, 0.0)
    assert result.refused_p99 == pytest.approx(1)
    assert result.log_lines == 7


def test_judged_late_answers() -> None:
    """What is answered after the overload does not make the rate during it any better."""
    late = outcomes(lambda one: (OK, 8.0 if one.phase == "overload" else 0.01))
    result = judged(late, 10.0, PHASES, log_lines=0, client=0.1)
    assert result.good == 0.0
    assert result.good_p99 == pytest.approx(8000)


def test_judged_no_answers() -> None:
    """Neither good nor refused; the probe's answers that do not come are its failures."""
    found = outcomes(lambda one: (NO_ANSWER, 10.0) if BEFORE <= one.due < END else (OK, 0.01))
    result = judged(found, 10.0, PHASES, log_lines=0, client=0.1)
    assert (result.good, result.unanswered) == (0.0, 1.0)
    assert (result.probe_failures, result.probe_worst) == (40, 10_000)


def test_judged_other_status() -> None:
    """An answer that is neither is a fault, not a figure."""
    with pytest.raises(BenchError, match="500"):
        judged(outcomes(lambda _: (500, 0.01)), 10.0, PHASES, log_lines=0, client=0.1)


@pytest.mark.parametrize(("slow_until", "recovered"), [(0.0, 0.0), (0.3, 0.5), (3.0, 3.0)])
def test_recovery(slow_until: float, recovered: float) -> None:
    """The first half second from which on nearly everybody is answered soon."""

    def answered(one: Outcome) -> tuple[int, float]:
        return OK, 2.0 if one.phase == "after" and one.due < END + slow_until else 0.01

    result = judged(outcomes(answered), 10.0, PHASES, log_lines=0, client=0.1)
    assert result.recovery == recovered


def test_recovery_relapse() -> None:
    """One good second does not count when a bad one follows; refusals are not normal either."""
    after = [Outcome("after", due / 10, 0.0, OK, 0.01) for due in range(100)]
    after[45].status = BUSY
    assert recovery(after, 0.0, 10.0) == 5.0
    after[99].took = 3.0
    assert recovery(after, 0.0, 10.0) == math.inf


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve(handler: Handler, phases: list[Phase]) -> list[Outcome]:
    """What becomes of these requests at a server that answers a connection like this."""
    handlers: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await handler(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    page, probe = requests.get(port, "/").decode(), requests.get(port, "/livez").decode()
    async with server:
        found = await arrivals.run(Job(port, page, probe, phases))
        await asyncio.gather(*handlers)  # all hung up
    return found


async def test_arrivals_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers nobody gets every request all the same; nobody waits for ever."""
    asked = []

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        await reader.read()  # until the client hangs up

    monkeypatch.setattr(arrivals, "PATIENCE", 2.0)
    found = await serve(silent, [Phase("overload", 50.0, 0.4)])
    assert len(asked) == len(found) == 24
    assert {one.status for one in found} == {NO_ANSWER}


async def test_arrivals_answers() -> None:
    """Status and time of each; connections are kept for pages, and new for each probe."""
    connections = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while head := await reader.readuntil(b"\r\n\r\n"):
            status = b"200 OK" if b"/livez" in head else b"503 Busy"
            writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 4\r\n\r\nbo")
            await writer.drain()
            writer.write(b"dy")

    found = await serve(answer, [Phase("overload", 20.0, 0.5)])
    pages = [one for one in found if one.phase == "overload"]
    probes = [one for one in found if one.phase == PROBE]
    assert [one.status for one in pages] == [BUSY] * 10
    assert [one.status for one in probes] == [OK] * 5
    assert all(0 <= one.late <= one.took for one in found)
    assert len(probes) < len(connections) < len(found)


async def test_arrivals_refused_connections() -> None:
    """Nobody listens: no answer, at once."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    job = Job(port, "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", [Phase("a", 10.0, 0.2)])
    found = await arrivals.run(job)
    assert {one.status for one in found} == {NO_ANSWER}
