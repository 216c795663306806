"""The refusals of lists of books."""

from service.exceptions import ChangedMeanwhileError, ConflictError, NotFoundError


class BookNotFoundError(NotFoundError):
    """The book does not exist, or belongs to another person."""

    code = "BOOK_NOT_FOUND"
    public_description = "This person has no such book."

    def __init__(self) -> None:
        super().__init__("There is no such book on your list. It may have been deleted.")


class BookChangedError(ChangedMeanwhileError):
    """The book has another version than the caller has seen."""

    code = "BOOK_CHANGED"
    public_description = "The book is not of the version that the caller has seen."

    def __init__(self) -> None:
        super().__init__("This book was changed meanwhile, so nothing was done to it.")


class TooManyBooksError(ConflictError):
    """The list already has the highest number of books."""

    code = "TOO_MANY_BOOKS"
    public_description = "There are as many books on this list as anybody may have."

    def __init__(self, most: int) -> None:
        super().__init__(
            f"There are {most:,} books on your list, which is the most that it can hold."
            " Delete some of them first."
        )
