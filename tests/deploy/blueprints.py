"""Render's blueprints of this repository, and the rules that Render's own schema leaves out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FREE = ROOT / "render.yaml"
PAID = ROOT / "deploy" / "render.paid.yaml"
SCHEMA = Path(__file__).with_name("render.schema.json")

# Refused on the free plan by Render's server, which then takes nothing of the file.
NOT_FREE = {
    "preDeployCommand",
    "maxShutdownDelaySeconds",
    "maintenanceMode",
    "numInstances",
    "scaling",
    "disk",
}
# Plans were renamed in August 2026: these names mean the same before and after.
PLANS = {"free", "starter", "standard", "pro"}
DATABASE_PLANS = {"free", "basic-256mb", "basic-1gb", "basic-4gb"}
# Render sets these itself, and what is in the file comes after.
PRESET = {"RENDER", "PORT", "RENDER_EXTERNAL_URL"}


def load(path: Path) -> dict[str, Any]:
    blueprint: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return blueprint


def render_schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text("utf-8"))
    return schema


def web_service(blueprint: dict[str, Any]) -> dict[str, Any]:
    [service] = (each for each in blueprint["services"] if each["type"] == "web")
    found: dict[str, Any] = service
    return found


def variables(service: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The entries of envVars by their names."""
    return {entry["key"]: entry for entry in service["envVars"]}


def refusals(blueprint: dict[str, Any]) -> Iterator[str]:
    """What Render's server would refuse, or do otherwise than meant, although the schema allows."""
    names = {database["name"] for database in blueprint.get("databases", [])}
    for service in blueprint["services"]:
        yield from _service_refusals(service)
        for key, entry in variables(service).items():
            if (source := entry.get("fromDatabase")) and source["name"] not in names:
                yield f"{key}: there is no database {source['name']}"
    for database in blueprint.get("databases", []):
        yield from _database_refusals(database)
    regions = {each.get("region") for each in [*blueprint["services"], *blueprint["databases"]]}
    if len(regions) != 1 or None in regions:
        yield f"one region must be stated for all: {sorted(map(str, regions))}"


def _service_refusals(service: dict[str, Any]) -> Iterator[str]:
    # A plan that is left out is a paid one.
    if service.get("plan") not in PLANS:
        yield f"plan {service.get('plan')}"
    if service.get("plan") == "free":
        for key in sorted(NOT_FREE & service.keys()):
            yield f"{key} on the free plan"
        if service["type"] != "web":
            yield f"a {service['type']} on the free plan"
    if {"disk", "maxShutdownDelaySeconds"} <= service.keys():
        yield "disk together with maxShutdownDelaySeconds"
    for key in sorted(PRESET & variables(service).keys()):
        yield f"{key} is Render's to set"


def _database_refusals(database: dict[str, Any]) -> Iterator[str]:
    if database.get("plan") not in DATABASE_PLANS:
        yield f"database plan {database.get('plan')}"
    if database.get("plan") == "free":
        for key in ("diskSizeGB", "highAvailability", "readReplicas", "connectionPool"):
            if key in database:
                yield f"{key} of a free database"
    if "ipAllowList" not in database:
        yield "a database without ipAllowList is open to the whole internet"
