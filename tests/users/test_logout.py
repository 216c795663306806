"""GET and POST /logout"""

from quart import Quart

from service.models import sessions_table
from tests.markup import parse
from tests.people import Browser, Person, count


async def test_logout_form(app: Quart, alice: Person) -> None:
    """A link only asks: one button, and nobody is signed out yet."""
    response = await alice.get("/logout")
    assert response.status_code == 200
    page = await parse(response)
    assert page.forms == [("post", "/logout")]
    assert [tag for tag, _ in page.tags].count("button") == 1
    assert (await alice.get("/profile")).status_code == 200


async def test_logout_form_signed_out(nobody: Browser) -> None:
    response = await nobody.get("/logout")
    assert (response.status_code, response.location) == (303, "/")


async def test_logout(app: Quart, alice: Person) -> None:
    response = await alice.post("/logout")
    assert (response.status_code, response.location) == (303, "/")
    assert alice.cookie() is None
    page = await alice.page("/")
    assert "Goodbye!" in page
    assert "Login" in page
    assert (await alice.get("/profile")).status_code == 303


async def test_logout_ends_the_session_on_the_server(app: Quart, alice: Person) -> None:
    """A copy of the cookie, on whatever machine, is worth nothing afterwards."""
    token = alice.cookie()
    assert token is not None
    await alice.post("/logout")
    assert await count(app, sessions_table) == 0
    alice.set_cookie(token)
    response = await alice.get("/profile")
    assert (response.status_code, response.location) == (303, "/login?next=/profile")


async def test_logout_leaves_others_signed_in(app: Quart, alice: Person, bob: Person) -> None:
    await alice.post("/logout")
    assert (await bob.get("/profile")).status_code == 200


async def test_logout_twice(alice: Person) -> None:
    for _ in range(2):
        response = await alice.post("/logout")
        assert (response.status_code, response.location) == (303, "/")
