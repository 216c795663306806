"""GET /profile"""

from datetime import UTC, datetime

from quart import Quart
from sqlalchemy import update

from service.models import users_table
from tests.people import Browser, Person
from tests.statements import run


async def test_profile(app: Quart, alice: Person) -> None:
    joined = datetime(2024, 2, 29, 23, 59, tzinfo=UTC)
    await run(app, update(users_table).values(registered_on=joined))
    page = await alice.page("/profile")
    assert "alice@example.com" in page
    assert "Joined on Thursday, February 29, 2024" in page


async def test_profile_is_ones_own(alice: Person, bob: Person) -> None:
    page = await bob.page("/profile")
    assert "bob@example.com" in page
    assert "alice@example.com" not in page


async def test_profile_signed_out(nobody: Browser) -> None:
    response = await nobody.get("/profile")
    assert (response.status_code, response.location) == (303, "/login?next=/profile")
