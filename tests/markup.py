"""What a page is made of, as a browser's parser sees it."""

from html.parser import HTMLParser

from quart import Response


class Page(HTMLParser):
    """The tags with their attributes' names, the fields with their values, and the table cells."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = source
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.fields: dict[str, str] = {}
        self.cells: list[str] = []
        self.forms: list[tuple[str, str]] = []
        self.links: list[str] = []
        self._in_cell = False
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        known = {name: value or "" for name, value in attrs}
        if tag == "input" and "name" in known:
            self.fields[known["name"]] = known.get("value", "")
        elif tag == "form":
            self.forms.append((known.get("method", "get"), known.get("action", "")))
        elif tag == "a":
            self.links.append(known.get("href", ""))
        if tag in ("td", "th"):
            self.cells.append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


async def parse(response: Response) -> Page:
    """The page of an answer, whatever its status."""
    return Page((await response.get_data(as_text=False)).decode())
