"""Every test looks at each of its parameters: else it tests one thing several times."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
Function = ast.FunctionDef | ast.AsyncFunctionDef


def unused(source: str) -> Iterator[str]:
    """Names that a decorator `parametrize` gives to a function that reads them nowhere.

    A name that begins with an underscore says that the test is only to be repeated.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            read = {
                part.id for it in node.body for part in ast.walk(it) if isinstance(part, ast.Name)
            }
            for name in parameters(node) - read:
                if not name.startswith("_"):
                    yield f"{node.name}: {name}"


def parameters(function: Function) -> set[str]:
    """Those that reach the function itself, and not a fixture of the same name."""
    found: set[str] = set()
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith("parametrize"):
            names = ast.literal_eval(decorator.args[0])
            names = {names} if isinstance(names, str) else {*names}
            options = {option.arg: option.value for option in decorator.keywords}
            indirect = ast.literal_eval(options.get("indirect", ast.Constant(False)))
            found |= names - (names if indirect is True else {*(indirect or ())})
    return found


@pytest.mark.parametrize("path", sorted(TESTS.rglob("test_*.py")), ids=lambda path: path.name)
def test_parameters_are_used(path: Path) -> None:
    assert list(unused(path.read_text("utf-8"))) == []


def test_unused_parameter_is_found() -> None:
    source = """
@pytest.mark.parametrize(("field", "_number"), [("a", 1)])
@pytest.mark.parametrize("app", ["x"], indirect=True)
@pytest.mark.parametrize("used", [1])
async def test_it(app, field, used, _number):
    assert used
"""
    assert list(unused(source)) == ["test_it: field"]
