"""Pages of the book list."""

import msgspec
from quart import Blueprint, Response, flash, request

from service import db
from service.auth import SignedInUser, login_required, login_required_to_read
from service.books import queries, rules
from service.books.exceptions import BookChangedError, TooManyBooksError
from service.books.forms import BookInput
from service.db.statements import Connection
from service.exceptions import FieldError, InvalidInputError
from service.idempotency import SentBeforeError
from service.limits.rules import WRITES_PER_USER, per_user, unlimited
from service.text.visible import visible_or
from service.validation import Form, check_text
from service.web import pages
from service.web.routing import is_id
from service.web.submissions import Submission

PAGE_SIZE = 25
HEADING = "Error with book data submitted!"

blueprint = Blueprint("books", __name__, url_prefix="/books")


@blueprint.get("/")
@login_required_to_read
@unlimited("one statement, at most 26 rows")
async def list_books(user: SignedInUser, connection: Connection) -> Response:
    """Show a page of the list, newest first."""
    after, before = _place("after"), _place("before")
    if after is not None and before is not None:
        raise InvalidInputError(
            FieldError("after", "Use `after` or `before` in the address, not both.", "both")
        )
    page = await queries.list_books(connection, user.id, size=PAGE_SIZE, after=after, before=before)
    books = page.books
    return pages.render(
        "books/list.html",
        section="books",
        books=books,
        newer=f"/books/?before={books[0].id}" if page.newer and books else None,
        older=f"/books/?after={books[-1].id}" if page.older and books else None,
        first_page=after is None and before is None,
    )


@blueprint.get("/add")
@login_required
@unlimited("reads nothing")
async def add_book_form(user: SignedInUser) -> Response:
    """Show an empty form."""
    return _form_page("books/add.html", Form())


@blueprint.post("/add")
@login_required
@per_user(WRITES_PER_USER)
async def add_book(user: SignedInUser) -> Response:
    """Add a book to the list. The same form, sent again, adds no other book."""
    texts = await request.form
    try:
        book = check_text(BookInput, texts, prefix="book_")
    except InvalidInputError as error:
        return _form_page("books/add.html", Form.refused(texts, error, HEADING), status=422)
    submission = Submission.of(user.id, texts, book)
    try:
        await _add_once(user.id, book, submission)
    except SentBeforeError as before:
        if not await _is_there(user.id, before.made):
            await flash(
                "This form was sent before. The book that it added was deleted meanwhile, so"
                " nothing was added now. To add it again, begin with “Add Book”.",
                "info",
            )
            return pages.redirect("/books/")
    except TooManyBooksError as error:
        return _form_page("books/add.html", Form(texts, heading=str(error)), status=409)
    await flash(pages.sentence("Added new book ({})!", book.title), "success")
    return pages.redirect("/books/")


async def _add_once(owner: int, book: BookInput, submission: Submission) -> None:
    if submission.key is None:
        async with db.read() as connection:
            if await rules.add_book_at_once(connection, owner, book):
                return
    async with submission.once(), db.transaction() as connection:
        added = await rules.add_book(connection, owner, book)
        await submission.keep(connection, added.id)


@blueprint.get("/<id:book_id>/edit")
@login_required_to_read
@unlimited("reads one row")
async def edit_book_form(user: SignedInUser, connection: Connection, book_id: int) -> Response:
    """Show the form with a book's present values."""
    book = await rules.get_book(connection, user.id, book_id)
    values = {"title": book.title, "author": book.author, "rating": book.rating or ""}
    form = Form({f"book_{name}": value for name, value in values.items()})
    return _form_page("books/edit.html", form, book_id=book_id, version=book.version)


@blueprint.post("/<id:book_id>/edit")
@login_required
@per_user(WRITES_PER_USER)
async def edit_book(user: SignedInUser, book_id: int) -> Response:
    """Give a book new values. The form is checked like the form of a new book.

    If the book was changed since the form was shown, nothing is saved. The page shows the values
    of the list and of the form, and the person decides.
    """
    texts = await request.form
    version = texts.get("version", "")
    try:
        book = check_text(BookInput, texts, prefix="book_")
    except InvalidInputError as error:
        async with db.read() as connection:
            await rules.get_book(connection, user.id, book_id)
        form = Form.refused(texts, error, HEADING)
        return _form_page("books/edit.html", form, 422, book_id=book_id, version=version)
    values = msgspec.structs.asdict(book)
    try:
        async with db.transaction() as connection:
            await rules.edit_book(connection, user.id, book_id, values, _versions(version))
    except BookChangedError:
        async with db.read() as connection:
            now = await rules.get_book(connection, user.id, book_id)
        if values == {name: getattr(now, name) for name in values}:  # after a double click, say
            return await _confirm_update(book)
        form = Form(texts, heading="This book was changed meanwhile, so nothing was saved yet")
        return _form_page(
            "books/edit.html", form, 409, book_id=book_id, version=now.version, now=now
        )
    return await _confirm_update(book)


@blueprint.get("/<id:book_id>/delete")
@login_required_to_read
@unlimited("reads one row")
async def delete_book_form(user: SignedInUser, connection: Connection, book_id: int) -> Response:
    """Show the form that deletes a book. A GET must not delete: another site can link to it."""
    book = await rules.get_book(connection, user.id, book_id)
    return pages.render("books/delete.html", section="books", book=book)


@blueprint.post("/<id:book_id>/delete")
@login_required
@per_user(WRITES_PER_USER)
async def delete_book(user: SignedInUser, book_id: int) -> Response:
    """Delete a book from the list."""
    async with db.transaction() as connection:
        title = await rules.delete_book(connection, user.id, book_id)
    shown = visible_or(title, "no visible title")
    await flash(pages.sentence("Book ({}) was deleted!", shown), "success")
    return pages.redirect("/books/")


async def _confirm_update(book: BookInput) -> Response:
    await flash(pages.sentence("Book ({}) was updated!", book.title), "success")
    return pages.redirect("/books/")


async def _is_there(owner: int, book_id: int) -> bool:
    async with db.read() as connection:
        return await queries.get_book(connection, owner, book_id) is not None


def _versions(text: str) -> set[int] | None:
    """Return the version that the form showed. None, for every version, if a script sends none.

    A text that is no version returns an empty set: then the book counts as changed.
    """
    if not text:
        return None
    return {int(text)} if is_id(text) or text == "0" else set()


def _place(name: str) -> int | None:
    """Return the book id in a query parameter, or None. Raises InvalidInputError."""
    text = request.args.get(name)
    if text is None:
        return None
    if not is_id(text):
        message = "This is not a place in a list. Begin with the newest books."
        raise InvalidInputError(FieldError(name, message, "invalid"))
    return int(text)


def _form_page(template: str, form: Form, status: int = 200, **context: object) -> Response:
    return pages.render(
        template,
        status=status,
        section="books",
        form=form,
        **context,
    )
