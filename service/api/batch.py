"""Many changes of the list in one call and one transaction."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType
from quart import Blueprint, Response

from service.api.bodies import answer
from service.api.books import ADDRESS, BookOut, BookPatch
from service.api.declarations import Tag, WriteCall
from service.api.operations import write_operation
from service.books import rules
from service.books.exceptions import BookChangedError, BookNotFoundError, TooManyBooksError
from service.books.forms import BookInput
from service.db.statements import Connection
from service.exceptions import FieldError, InvalidInputError
from service.validation import Shape
from service.web.routing import MAX_ID

MAX_OPERATIONS = 100
# Bytes. 100 books with the longest titles and authors fit, even if every character is written as
# two escaped surrogates.
MAX_BODY = 1024 * 1024

blueprint = Blueprint("api_batch", __name__, url_prefix=ADDRESS)
TAG = Tag("batch", "Many changes of the list in one call, all or nothing or each by itself.")

Id = Annotated[int, Meta(ge=1, le=MAX_ID)]
Version = Annotated[int, Meta(ge=0, le=MAX_ID)]


class Create(Shape, frozen=True, kw_only=True, tag_field="op", tag="create"):
    """Add a book."""

    public_name: ClassVar = "BatchCreate"
    public_description: ClassVar = "Add a book."

    book: BookInput

    messages: ClassVar = {"book": "Send the book as an object."}

    async def apply(self, connection: Connection, owner: int) -> "Result":
        """Do it."""
        book = await rules.add_book(connection, owner, self.book)
        return Result(201, book=BookOut.of(book))


class Replace(Shape, frozen=True, kw_only=True, tag_field="op", tag="replace"):
    """Replace all values of a book, unless it has another version than `version`."""

    public_name: ClassVar = "BatchReplace"
    public_description: ClassVar = (
        "Give a book new values; one that was changed since `version` is left alone."
    )

    id: Id
    book: BookInput
    version: Version | UnsetType = UNSET

    messages: ClassVar = {
        **Create.messages,
        "id": "Send the id of a book.",
        "version": "Send the version of the book.",
    }

    async def apply(self, connection: Connection, owner: int) -> "Result":
        """Do it."""
        values = msgspec.structs.asdict(self.book)
        versions = _versions(self.version)
        book = await rules.edit_book(connection, owner, self.id, values, versions)
        return Result(200, book=BookOut.of(book))


class Update(Shape, frozen=True, kw_only=True, tag_field="op", tag="update"):
    """Replace some values of a book, as PATCH does."""

    public_name: ClassVar = "BatchUpdate"
    public_description: ClassVar = "Give a book some new values, as PATCH does."

    id: Id
    book: BookPatch
    version: Version | UnsetType = UNSET

    messages: ClassVar = Replace.messages

    async def apply(self, connection: Connection, owner: int) -> "Result":
        """Do it."""
        values, versions = self.book.values(), _versions(self.version)
        book = await rules.edit_book(connection, owner, self.id, values, versions)
        return Result(200, book=BookOut.of(book))


class Delete(Shape, frozen=True, kw_only=True, tag_field="op", tag="delete"):
    """Delete a book from the list."""

    public_name: ClassVar = "BatchDelete"
    public_description: ClassVar = "Take a book off the list."

    id: Id
    version: Version | UnsetType = UNSET

    messages: ClassVar = {name: Replace.messages[name] for name in ("id", "version")}

    async def apply(self, connection: Connection, owner: int) -> "Result":
        """Do it."""
        await rules.delete_book(connection, owner, self.id, _versions(self.version))
        return Result(204)


class Batch(Shape, frozen=True, kw_only=True):
    """The operations, in the order in which they are done. With `atomic`, all or none are done."""

    public_name: ClassVar = "Batch"
    public_description: ClassVar = (
        "Operations, done in this order; with `atomic` all of them or none."
    )

    operations: Annotated[
        list[Create | Replace | Update | Delete], Meta(min_length=1, max_length=MAX_OPERATIONS)
    ]
    atomic: bool = True

    messages: ClassVar = {
        "operations": f"Send 1 to {MAX_OPERATIONS} operations.",
        "atomic": "Use true or false.",
    }
    example: ClassVar = {
        "operations": [
            {"op": "create", "book": BookInput.example},
            {"op": "update", "id": 42, "book": BookPatch.example, "version": 7},
            {"op": "delete", "id": 43},
        ],
        "atomic": False,
    }


class Refusal(msgspec.Struct, frozen=True):
    """The reason why an operation was not done."""

    public_name: ClassVar = "BatchRefusal"
    public_description: ClassVar = "Why one operation was not done."

    code: str
    detail: str


class Result(msgspec.Struct, frozen=True):
    """The result of one operation: 200, 201 or 204; 404: no book; 409: full list; 412: changed."""

    public_name: ClassVar = "BatchResult"
    public_description: ClassVar = (
        "What came of one operation: 201, 200, 204; 404: no book, 409: full list, 412: changed."
    )

    status: int
    book: BookOut | UnsetType = UNSET
    error: Refusal | UnsetType = UNSET


class Results(msgspec.Struct, frozen=True):
    """The results of all operations, in their order."""

    public_name: ClassVar = "BatchResults"
    public_description: ClassVar = "What came of each operation, in their order."

    results: list[Result]

    example: ClassVar = {
        "results": [
            {"status": 201, "book": BookOut.example},
            {
                "status": 412,
                "error": {"code": BookChangedError.code, "detail": str(BookChangedError())},
            },
            {"status": 204},
        ]
    }


@blueprint.post("/batch")
@write_operation(
    name="change_books",
    tag=TAG,
    summary="Change many books",
    description=(
        "Up to 100 operations in one transaction, each of which counts as one change.\n\n"
        "With `atomic`, which is the default, one that cannot be done undoes all, and the answer is"
        " 422.\nWithout it the others are done, and each result has its own status. What is not"
        " valid is refused\nas a whole either way."
    ),
    scope="books:write",
    body=Batch,
    answers={200: Results},
    max_body=MAX_BODY,
    repeatable=True,
    writes=lambda batch: len(batch.operations),
)
async def change_books(call: WriteCall[Batch]) -> Response:
    """Do the operations of a batch, in one transaction."""
    batch = call.body
    results = [await _apply(it, call.connection, call.owner) for it in batch.operations]
    refused = [
        FieldError(f"operations[{number}]", result.error.detail, result.error.code)
        for number, result in enumerate(results)
        if result.error is not UNSET
    ]
    if refused and batch.atomic:
        rules.forget_room(call.owner)
        raise InvalidInputError(*refused)
    return answer(Results(results))


async def _apply(
    operation: Create | Replace | Update | Delete, connection: Connection, owner: int
) -> Result:
    try:
        return await operation.apply(connection, owner)
    except BookNotFoundError as error:
        return Result(404, error=Refusal(error.code, str(error)))
    except TooManyBooksError as error:
        return Result(409, error=Refusal(error.code, str(error)))
    except BookChangedError as error:
        return Result(412, error=Refusal(error.code, str(error)))


def _versions(version: int | UnsetType) -> set[int] | None:
    return None if version is UNSET else {version}
