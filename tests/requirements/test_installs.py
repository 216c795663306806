"""Every install that we write down takes exactly what a requirement file says."""

import re

import pytest

from tests.requirements.pins import FILES, ROOT

EXACTLY = re.compile(r"(--no-cache-dir )?--no-deps --require-hashes -r (\S+)")
PLACES = [
    ROOT / "README.md",
    ROOT / "render.yaml",
    ROOT / "Procfile",
    *sorted((ROOT / ".ci").iterdir()),
    *sorted((ROOT / "bin").iterdir()),
    *sorted((ROOT / "deploy").iterdir()),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "service").rglob("*.py")),
]


def installs(text: str) -> list[str]:
    """The arguments of each pip install, to the end of the command; not the bare words."""
    return re.findall(r"pip3? install +([^`\n&;\'\"]*[^`\n&;\'\" ])", text)


def is_exact(arguments: str) -> bool:
    match = EXACTLY.fullmatch(arguments)
    return match is not None and match[2] in FILES


def test_manuals() -> None:
    found = {(path, each) for path in PLACES for each in installs(path.read_text("utf-8"))}
    assert [each for each in found if not is_exact(each[1])] == []


def test_seen_where_they_are() -> None:
    found = {path.name for path in PLACES if installs(path.read_text("utf-8"))}
    manuals = {"README.md", "deploy.md", "from-flask.md", "operate.md"}
    assert {*manuals, "render.yaml", "render.paid.yaml"} <= found


def test_makefile() -> None:
    """Its installs go through one variable: from a requirement file, or the project alone."""
    text = (ROOT / "Makefile").read_text("utf-8")
    assert re.findall(r"pip install .*", text) == [
        "pip install --quiet --disable-pip-version-check --no-deps"
    ]
    uses = re.findall(r"\$\(INSTALL\) (.*)", text)
    files = [use for use in uses if use != "--no-build-isolation --editable ."]
    assert len(files) == 3
    for use in files:
        assert re.fullmatch(r"--require-hashes -r requirements(-dev|-lowest)?\.txt", use)


@pytest.mark.parametrize("file", [*FILES, "requirements-lowest.txt"])
def test_no_address(file: str) -> None:
    """A requirement file names no index and no place of this machine."""
    text = (ROOT / file).read_text("utf-8")
    assert re.findall(r"https?:|file:|^-|--(?!hash=)\S+|-c +/.*", text, re.MULTILINE) == []
