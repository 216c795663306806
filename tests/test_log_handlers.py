"""Where log lines go."""

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from service import logs
from service.config import Settings
from tests.log_output import restored, under_gunicorn

Configure = Callable[..., list[logging.Handler]]


@pytest.fixture
def configured() -> Iterator[Configure]:
    def configure(**environ: str) -> list[logging.Handler]:
        variables = {"CONFIG_TYPE": "testing", "DATABASE_URL": "sqlite:////tmp/none.db"} | environ
        logs.configure(Settings.from_env(variables))
        return list(logging.getLogger("service").handlers)

    with restored(logging.getLogger("service")):
        yield configure


def test_without_gunicorn_to_standard_error(
    configured: Configure, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines go where platforms collect them, and never to a file."""
    for _ in range(2):
        [handler] = configured()
        assert type(handler) is logging.StreamHandler
    logging.getLogger("service.test").info("hello")
    logging.getLogger("service.test").debug("not shown")
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("hello") == 1
    assert "not shown" not in written.err


def test_under_gunicorn_through_its_handlers(configured: Configure) -> None:
    """gunicorn's own lines get the same format, and ours its handlers: each line once."""
    with under_gunicorn() as output:
        assert configured(LOG_FORMAT="json") == logging.getLogger("gunicorn.error").handlers
        logging.getLogger("service.test").warning("ours")
        logging.getLogger("gunicorn.error").warning("theirs %s", 7)
    entries = [json.loads(line) for line in output.getvalue().splitlines()]
    assert [entry["message"] for entry in entries] == ["ours", "theirs 7"]
    assert {entry["request_id"] for entry in entries} == {"-"}
