"""The bench itself, in a short run: every kind of row, beside peers and beside another release."""

import json
import shutil
from pathlib import Path

import pytest

from bench.__main__ import main
from tests.servers import ROOT

needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
RELEASE = ("alembic", "alembic.ini", "bin", "gunicorn.conf.py", "service")  # what serving takes


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A checkout of the service in another folder."""
    folder = tmp_path / "older"
    folder.mkdir()
    for name in RELEASE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


@needs_wrk
def test_bench(
    postgresql_url: str,
    older: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each peer has its rows, both releases have theirs, and every round is written down."""
    monkeypatch.setenv("TEST_DATABASE_URL", postgresql_url)
    file = tmp_path / "figures.json"
    options = "--rounds 2 --seconds 1 --starts 2 --connections 4 --peers flask asgi --only"
    parts = "list api-304 add-by-api storm imports"
    arguments = [*options.split(), *parts.split(), "--json", str(file), "--against", str(older)]
    assert main(arguments) == 0, capsys.readouterr().err

    found = json.loads(file.read_text())
    peers = {row: list(by_peer) for row, by_peer in found["rows"].items()}
    assert peers == {
        "list": ["readlog", "older", "flask"],
        "api-304": ["readlog", "older", "asgi"],
        "add-by-api": ["readlog", "older", "asgi"],
    }
    rounds = [one for by_peer in found["rows"].values() for it in by_peer.values() for one in it]
    assert len(rounds) == 9
    assert all(one["rate"] > 0 and one["server"] > 0 and one["database"] > 0 for one in rounds)
    assert all(0 < one["client"] < one["rate"] for one in rounds)
    [storm] = found["storms"]["readlog"]
    assert storm["sign_ins"] > 0
    assert list(found["storms"]) == list(found["imports"]) == ["readlog", "older"]
    shown = capsys.readouterr().out
    assert all(f"| {name} " in shown for name in ("row", "storm", "import"))
