"""GET /"""

from tests.markup import parse
from tests.people import Browser, Person


async def test_index(nobody: Browser) -> None:
    """Nobody learns what this is, and finds the two ways in."""
    page = await nobody.page("/")
    assert "Need an account? Register!" in page
    assert "Existing user? Login!" in page
    links = (await parse(await nobody.get("/"))).links
    assert {"/register", "/login"} <= set(links)
    assert "/profile" not in links


async def test_index_signed_in(alice: Person) -> None:
    response = await alice.get("/")
    assert (response.status_code, response.location) == (303, "/books/")


async def test_index_takes_no_form(nobody: Browser) -> None:
    assert (await nobody.post("/")).status_code == 405


async def test_navigation(alice: Person, nobody: Browser) -> None:
    """The bar shows everybody what they can do, and only that."""
    private = {"/books/", "/profile", "/logout"}
    open_to_all = {"/register", "/login"}
    signed_in = set((await parse(await alice.get("/books/"))).links)
    signed_out = set((await parse(await nobody.get("/login"))).links)
    assert private <= signed_in
    assert not open_to_all & signed_in
    assert open_to_all <= signed_out
    assert not private & signed_out
