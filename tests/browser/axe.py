"""Runs axe-core in a page: WCAG 2.2 A and AA, and what its authors hold to be good practice."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Page

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """
async tags => {
    const result = await axe.run(document, {runOnly: {type: "tag", values: tags}});
    return {passes: result.passes.length, violations: result.violations};
}
"""


@cache
def _source() -> str:
    return Path(__file__).with_name("vendor").joinpath("axe.min.js").read_text(encoding="utf-8")


async def violations(page: Page) -> list[str]:
    """What is wrong with the page as it stands: each rule, and the elements that break it."""
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_source())
    result: dict[str, Any] = await page.evaluate(RUN, TAGS)
    assert result["passes"], "axe checked nothing"
    return [
        f"{rule['id']}: {rule['help']}: {[node['html'] for node in rule['nodes']]}"
        for rule in result["violations"]
    ]
