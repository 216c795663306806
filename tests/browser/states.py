"""Every page in every state that looks different, and the way that a person gets there."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.browser.sites import Site, new_email
from tests.browser.tabs import Tab
from tests.people import PASSWORD
from tests.tokens.token_forms import has_tokens

Arrive = Callable[[Tab, Site], Awaitable[None]]

# One word without a place to break it: the longest that a title may be.
UNBROKEN = "W" * 500
TOKENS = ["Backup of my books", "W" * 100, "סקריפט גיבוי", "A name of several words, " * 4]
LOGIN = {"E-mail address": "nobody@example.com", "Password": "not the right one"}

# What a page's own form could not send, sent by a form nevertheless.
SUBMIT = """
({action, method, encoding, charset, fields}) => {
    const form = document.createElement("form");
    Object.assign(form, {action, method, enctype: encoding, acceptCharset: charset});
    for (const [name, value] of Object.entries(fields)) {
        form.append(Object.assign(document.createElement("input"), {name, value}));
    }
    document.body.append(form);
    form.submit();
}
"""


class State(NamedTuple):
    """A page with this status, once somebody has arrived."""

    status: int
    arrive: Arrive


STATES: dict[str, State] = {}


def state(status: int) -> Callable[[Arrive], Arrive]:
    def add(arrive: Arrive) -> Arrive:
        STATES[arrive.__name__] = State(status, arrive)
        return arrive

    return add


async def submit(
    tab: Tab,
    action: str,
    fields: dict[str, str],
    *,
    encoding: str = "application/x-www-form-urlencoded",
    charset: str = "utf-8",
) -> None:
    """Post a form that is on no page, from the page that is open."""
    form = {"action": tab.url + action, "method": "post", "encoding": encoding}
    async with tab.page.expect_navigation():
        await tab.evaluate(SUBMIT, form | {"charset": charset, "fields": fields})


def visit(name: str, path: str, status: int = 200) -> None:
    """A page that everybody comes to by its address."""

    async def arrive(tab: Tab, site: Site) -> None:
        await tab.goto(path)

    STATES[name] = State(status, arrive)


def visit_signed_in(name: str, path: str, *titles: str, status: int = 200) -> None:
    """A page of somebody who has these books; `{}` is the id of the last."""

    async def arrive(tab: Tab, site: Site) -> None:
        person = await site.person()
        ids = await person.has_books(*titles)
        await tab.sign_in(person)
        await tab.goto(path.format(*ids[-1:]))

    STATES[name] = State(status, arrive)


visit("index", "/")
visit("register", "/register")
visit("login", "/login")
visit("status", "/status")
visit("api", "/api/docs")
visit("not_found", "/nowhere", status=404)
visit("address_too_long", "/?" + "x" * 9000, status=414)
visit("failed", "/fails", status=500)
visit("unavailable", "/is-down", status=503)
visit("asked_to_sign_in", "/books/add")

BOOKS = [f"Volume {number} & more" for number in range(26)]
visit_signed_in("profile", "/profile")
visit_signed_in("password", "/profile/password")
visit_signed_in("email", "/profile/email")
visit_signed_in("api_to_try", "/api/docs")
visit_signed_in("logout", "/logout")
visit_signed_in("list_empty", "/books/")
visit_signed_in("list_full", "/books/", *BOOKS)
visit_signed_in("list_second_page", "/books/?after={}", *BOOKS)
visit_signed_in("list_past_the_end", "/books/?after=1", "Only")
visit_signed_in("list_bad_place", "/books/?after=x", status=422)
visit_signed_in("list_unbroken", "/books/", UNBROKEN)
visit_signed_in("add", "/books/add")
visit_signed_in("edit", "/books/{}/edit", "Emma")
visit_signed_in("edit_unbroken", "/books/{}/edit", UNBROKEN)
visit_signed_in("delete", "/books/{}/delete", "Emma")
visit_signed_in("delete_unbroken", "/books/{}/delete", UNBROKEN)
visit_signed_in("book_not_found", "/books/2147483647/edit", status=404)


@state(422)
async def register_refused(tab: Tab, site: Site) -> None:
    await tab.goto("/register")
    await tab.fill({"E-mail address": "reader@", "Password": "short", "Password, once more": "x"})
    await tab.press("Register")


@state(422)
async def login_refused(tab: Tab, site: Site) -> None:
    await tab.goto("/login")
    await tab.press("Login")


@state(401)
async def login_wrong(tab: Tab, site: Site) -> None:
    await tab.goto("/login")
    await tab.fill(LOGIN)
    await tab.press("Login")


@state(422)
async def password_refused(tab: Tab, site: Site) -> None:
    await STATES["password"].arrive(tab, site)
    await tab.fill({"New password": "short", "New password, once more": "x"})
    await tab.press("Change password")


@state(401)
async def email_wrong_password(tab: Tab, site: Site) -> None:
    await STATES["email"].arrive(tab, site)
    await tab.fill(
        {"New e-mail address": new_email(), "Your present password": "not the right one"}
    )
    await tab.press("Change address")


@state(200)
async def email_changed(tab: Tab, site: Site) -> None:
    """The message that tells of it holds a long address without a space."""
    await STATES["email"].arrive(tab, site)
    email = f"{'w' * 40}-{new_email()}"
    await tab.fill({"New e-mail address": email, "Your present password": PASSWORD})
    await tab.press("Change address")


@state(422)
async def add_refused(tab: Tab, site: Site) -> None:
    await STATES["add"].arrive(tab, site)
    await tab.fill({"Rating (optional)": "6"})
    await tab.press("Add book")


@state(422)
async def edit_refused(tab: Tab, site: Site) -> None:
    await STATES["edit"].arrive(tab, site)
    await tab.fill({"Title": "", "Rating (optional)": "many"})
    await tab.press("Save changes")


@state(409)
async def edit_changed_meanwhile(tab: Tab, site: Site) -> None:
    """In another window, to the longest title that there may be."""
    await STATES["edit"].arrive(tab, site)
    other = await tab.context.new_page()
    await other.goto(tab.page.url)
    await other.get_by_label("Title", exact=True).fill(UNBROKEN)
    async with other.expect_navigation():
        await other.locator("main").get_by_role("button", name="Save changes").click()
    await other.close()
    await tab.fill({"Title": "Emma, or what I typed"})
    await tab.press("Save changes")


visit_signed_in("tokens_empty", "/profile/tokens")


async def visit_tokens(tab: Tab, site: Site, *names: str) -> None:
    """The page of somebody who has tokens of these names."""
    person = await site.person()
    await has_tokens(site.app, person, *names)
    await tab.sign_in(person)
    await tab.goto("/profile/tokens")


@state(200)
async def tokens_several(tab: Tab, site: Site) -> None:
    await visit_tokens(tab, site, *TOKENS)


@state(200)
async def tokens_as_many_as_may_be(tab: Tab, site: Site) -> None:
    await visit_tokens(tab, site, *(f"Token {number}" for number in range(100)))


@state(200)
async def token_revoke(tab: Tab, site: Site) -> None:
    await visit_tokens(tab, site, "W" * 100)
    await tab.follow("Revoke " + "W" * 100)


@state(200)
async def token_revoked(tab: Tab, site: Site) -> None:
    await STATES["token_revoke"].arrive(tab, site)
    await tab.press("Revoke token")


@state(422)
async def token_refused(tab: Tab, site: Site) -> None:
    await STATES["tokens_empty"].arrive(tab, site)
    await tab.page.get_by_label("Read your books").uncheck()
    await tab.press("Make token")


@state(401)
async def token_wrong_password(tab: Tab, site: Site) -> None:
    await STATES["tokens_empty"].arrive(tab, site)
    await tab.fill({"Name": "Backup", "Your password": "not the right one"})
    await tab.press("Make token")


@state(201)
async def token_made(tab: Tab, site: Site) -> None:
    await STATES["tokens_empty"].arrive(tab, site)
    await tab.fill({"Name": "W" * 100, "Your password": PASSWORD})
    await tab.press("Make token")


@state(200)
async def book_added(tab: Tab, site: Site) -> None:
    """The message that tells of it holds the longest title that there may be."""
    await STATES["add"].arrive(tab, site)
    await tab.fill({"Title": UNBROKEN, "Author": "Somebody"})
    await tab.press("Add book")


@state(400)
async def malformed(tab: Tab, site: Site) -> None:
    await tab.goto("/login")
    await submit(tab, "/login", {"email": "é"}, charset="iso-8859-1")


@state(403)
async def cross_site(tab: Tab, site: Site) -> None:
    """From a document whose origin is not the site's."""
    await submit(tab, "/login", {"email": "a"})


@state(405)
async def wrong_method(tab: Tab, site: Site) -> None:
    await STATES["profile"].arrive(tab, site)
    await submit(tab, "/profile", {})


@state(413)
async def too_large(tab: Tab, site: Site) -> None:
    await STATES["add"].arrive(tab, site)
    await tab.fill({"Title": "x" * 70_000})
    await tab.press("Add book")


@state(415)
async def wrong_encoding(tab: Tab, site: Site) -> None:
    await tab.goto("/login")
    await submit(tab, "/login", {"email": "a"}, encoding="multipart/form-data")


@state(429)
async def too_often(tab: Tab, site: Site) -> None:
    email, password = new_email(), LOGIN["Password"]
    await tab.goto("/login")
    statuses = [401]
    while statuses[-1] == 401:  # on a machine so slow that more are let through, too
        answer = await tab.context.request.post(
            f"{tab.url}/login",
            form={"email": email, "password": password},
            headers={"Origin": tab.url},
        )
        statuses.append(answer.status)
    assert statuses[-1] == 429
    await tab.fill({"E-mail address": email, "Password": password})
    await tab.press("Login")
