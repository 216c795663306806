"""render.yaml and its paid sister: what Render's server would say to them, as far as is known."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from service.config import Settings
from tests.deploy.blueprints import (
    FREE,
    PAID,
    ROOT,
    load,
    refusals,
    render_schema,
    variables,
    web_service,
)

both = pytest.mark.parametrize("path", [FREE, PAID], ids=["free", "paid"])


@both
def test_valid(path: Path) -> None:
    errors = Draft202012Validator(render_schema()).iter_errors(load(path))
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@both
def test_not_refused(path: Path) -> None:
    assert list(refusals(load(path))) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("preDeployCommand", "bin/migrate"),
        ("maxShutdownDelaySeconds", 60),
        ("numInstances", 2),
        ("disk", {"name": "data", "mountPath": "/data"}),
        ("scaling", {"minInstances": 1, "maxInstances": 2, "targetCPUPercent": 60}),
        ("maintenanceMode", {"enabled": True, "uri": ""}),
        ("plan", "starter plus"),
        ("region", "ohio"),
    ],
)
def test_refusals_are_seen(key: str, value: Any) -> None:
    """The rules bite: Render's schema alone would let each of these through."""
    blueprint = load(FREE)
    web_service(blueprint)[key] = value
    assert Draft202012Validator(render_schema()).is_valid(blueprint) or key == "plan"
    assert len(list(refusals(blueprint))) == 1


def test_unquoted_off_is_seen() -> None:
    """YAML reads a bare `off` as false."""
    blueprint = load(FREE)
    web_service(blueprint)["autoDeployTrigger"] = False
    assert not Draft202012Validator(render_schema()).is_valid(blueprint)


def test_free_costs_nothing() -> None:
    blueprint = load(FREE)
    assert blueprint.keys() == {"services", "databases"}
    plans = [each["plan"] for each in [*blueprint["services"], *blueprint["databases"]]]
    assert plans == ["free", "free"]
    assert variables(web_service(blueprint))["MIGRATE_ON_START"]["value"] == "on"


def test_paid_migrates_once() -> None:
    """Before every instance, and not in each; the process knows how long it may take to stop."""
    service = web_service(load(PAID))
    assert service["preDeployCommand"] == "bin/migrate"
    values = variables(service)
    assert values["MIGRATE_ON_START"]["value"] == "off"
    assert values["SHUTDOWN_DELAY"]["value"] == str(service["maxShutdownDelaySeconds"])
    assert service["numInstances"] > 1


@both
def test_what_every_deploy_needs(path: Path) -> None:
    service, [database] = web_service(load(path)), load(path)["databases"]
    assert service["healthCheckPath"] == "/livez"
    assert service["startCommand"] == "bin/start"
    install, then = service["buildCommand"].split(" && ")
    assert install == "pip install --no-deps --require-hashes -r requirements.txt"
    assert then == "python -m compileall -q service"
    assert database["postgresMajorVersion"] == "18"
    assert database["ipAllowList"] == []
    values = variables(service)
    assert values["SECRET_KEY"] == {"key": "SECRET_KEY", "generateValue": True}
    assert values["DATABASE_URL"]["fromDatabase"]["property"] == "connectionString"
    assert values["GUNICORN_CMD_ARGS"]["value"] == ""
    # A minor version alone does not do, and YAML would read 3.10 as a number.
    assert re.fullmatch(r"3\.1[1-4]\.\d+", values["PYTHON_VERSION"]["value"])


@both
def test_values_are_texts(path: Path) -> None:
    """Unquoted, `on` and 1 would become what YAML makes of them."""
    for entry in web_service(load(path))["envVars"]:
        assert isinstance(entry.get("value", ""), str), entry


@both
def test_connections_fit(path: Path) -> None:
    """Every instance twice, as a deploy has it, within what the database takes less ten."""
    service = web_service(load(path))
    given = {key: entry["value"] for key, entry in variables(service).items() if "value" in entry}
    settings = Settings.from_env({"CONFIG_TYPE": "testing", **given})
    pool = settings.db_pool_size + settings.db_max_overflow
    assert 2 * service.get("numInstances", 1) * settings.web_concurrency * pool <= 90


def test_grows_in_place() -> None:
    """What cannot be changed once made is the same in both files."""
    free, paid = copy.deepcopy(load(FREE)), load(PAID)
    for kind, keys in {
        "services": ("type", "name", "runtime", "region"),
        "databases": ("name", "databaseName", "user", "region", "postgresMajorVersion"),
    }.items():
        for mine, other in zip(free[kind], paid[kind], strict=True):
            assert {key: mine[key] for key in keys} == {key: other[key] for key in keys}


def test_procfile() -> None:
    """For Heroku and those that do as it does; its two lines are Render's two commands."""
    lines = (ROOT / "Procfile").read_text("utf-8").splitlines()
    assert lines == ["release: bin/migrate", "web: bin/start"]
    service = web_service(load(PAID))
    assert lines == [f"release: {service['preDeployCommand']}", f"web: {service['startCommand']}"]
    for name in ("migrate", "start"):
        assert (ROOT / "bin" / name).stat().st_mode & 0o111
