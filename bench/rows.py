"""The requests that are measured with wrk, one row of the first table for each."""

from dataclasses import dataclass
from typing import Literal

PAGE_SIZE = 25  # books of a list page, of every peer
LONG_LIST = 10_000
API_BOOKS = 10_000
WRITERS = 32  # people who add books and sign in, of each peer

Sender = Literal["nobody", "reader", "program", "writers by page", "writers by API", "one writer"]
Group = Literal["pages", "api", "adding"]


@dataclass(frozen=True)
class Row:
    """One kind of request.

    `sender` says whose credentials are sent. A reader has `books` books on the list and a session
    cookie; the program has the token of the API's one reader, who is the same for all peers. An
    answer with another status than `status` ends the bench.
    """

    name: str
    group: Group
    path: str
    status: int = 200
    sender: Sender = "nobody"
    books: int = 0
    unchanged: bool = False  # sent with the ETag of the answer, which is then a 304

    @property
    def adds(self) -> bool:
        """Whether each answer stands for one new row in the table of books."""
        return self.group == "adding"


WELCOME = Row("welcome", "pages", "/")
LOGIN_FORM = Row("login-form", "pages", "/login")
LIST = Row("list", "pages", "/books/", sender="reader", books=PAGE_SIZE)
LONG = Row("long-list", "pages", "/books/", sender="reader", books=LONG_LIST)
API_LIST = Row("api-list", "api", "/api/v1/books?limit=25", sender="program")
API_304 = Row("api-304", "api", API_LIST.path, 304, "program", unchanged=True)
ADD_BY_PAGE = Row("add-by-page", "adding", "/books/add", 303, "writers by page")
ADD_BY_API = Row("add-by-api", "adding", "/api/v1/books", 201, "writers by API")
ADD_BY_ONE = Row("add-by-one", "adding", "/api/v1/books", 201, "one writer")

PAGES = (WELCOME, LOGIN_FORM, LIST, LONG)
API = (API_LIST, API_304)
ADDING = (ADD_BY_PAGE, ADD_BY_API, ADD_BY_ONE)
ROWS = (*PAGES, *API, *ADDING)
