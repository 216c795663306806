"""LOG_FORMAT=json: every line is one object, gunicorn's own too, from the first to the last."""

import json
import signal
from pathlib import Path

import pytest

from tests.deploy.instances import instance


@pytest.mark.parametrize("level", ["info", "debug"])
def test_every_line(variables: dict[str, str], sqlite_url: str, tmp_path: Path, level: str) -> None:
    more = {"DATABASE_URL": sqlite_url, "LOG_FORMAT": "json", "LOG_LEVEL": level}
    with instance(variables | more, tmp_path / "log") as it:
        it.wait()
        it.process.send_signal(signal.SIGHUP)  # gunicorn sets up its log anew
        it.wait_for_line("Application startup complete", times=2)
        assert it.stop() == 0
    entries = [json.loads(line) for line in it.log().splitlines()]
    messages = [entry["message"] for entry in entries]
    for beginning in (
        "Starting gunicorn",
        "schema: at head already",
        "Listening at: ",
        "Booting worker",
        "Hang up: Master",
        "Handling signal: term",
        "Shutting down: Master",
    ):
        assert any(message.startswith(beginning) for message in messages), beginning
    last = messages.index("Hang up: Master")
    assert any(message.startswith("Booting worker") for message in messages[last:])
    assert {entry["level"] for entry in entries} <= {"debug", "info"}
