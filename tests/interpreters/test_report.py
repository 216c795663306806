"""What CI tells of the interpreters, and which part of the suite they get."""

import platform
from pathlib import Path

import pytest

from tests.deploy.blueprints import ROOT
from tests.interpreters import report
from tests.interpreters.parts import LEFT_OUT, LEFT_OUT_ELSEWHERE, arguments


def test_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(report.VARIABLE, f"{tmp_path / 'report'}")
    report.write(["Python 3.13.0: passed", "Python 3.14: not found"])
    here = f"Python {platform.python_version()}: this run, the whole suite"
    assert report.read() == [here, "Python 3.13.0: passed", "Python 3.14: not found"]


def test_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is not CI's says nothing of other interpreters."""
    monkeypatch.delenv(report.VARIABLE, raising=False)
    report.write(["Python 3.14: not found"])
    assert report.read() == []


def test_parts_exist() -> None:
    """A folder that was renamed would be run on every interpreter, unnoticed."""
    for path in (*LEFT_OUT, *LEFT_OUT_ELSEWHERE):
        assert (ROOT / path).exists(), path


def test_deployed_interpreter_gets_more() -> None:
    assert set(arguments(deployed=True)) < set(arguments(deployed=False))
