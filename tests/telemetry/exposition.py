"""What /metrics tells, as a Prometheus reads it."""

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain
from quart import Quart

from tests.wire import send

TOKEN = "s0me-t0ken-of-16"
AUTHORIZATION = ("Authorization", f"Bearer {TOKEN}")

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def values(text: str) -> Values:
    """Every sample by its name and labels."""
    parse = openmetrics if text.endswith("# EOF\n") else plain
    samples = [sample for family in parse(text) for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples), "a series twice"
    return found


def value(found: Values, name: str, **labels: str) -> float:
    """One of them."""
    return found[name, frozenset(labels.items())]


def requests(found: Values) -> dict[tuple[str, str, str], float]:
    """How many of each route, method and status, without those for /metrics itself."""
    counted = [(dict(labels), n) for (name, labels), n in found.items() if name == COUNTER]
    return {
        (labels["route"], labels["method"], labels["status"]): n
        for labels, n in counted
        if labels["route"] != "/metrics"
    }


COUNTER = "readlog_requests_total"


async def scrape(app: Quart) -> Values:
    answer = await send(app, target="/metrics", headers=[AUTHORIZATION])
    assert answer.status == 200
    return values(answer.text)
