"""Operations as the API describes them: what a test needs to call each, found by walking it.

Nothing here knows an operation by name, but for what has to stand in its place in an address.
"""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quart import Quart

from tests.api.programs import Program
from tests.people import ORIGIN, PASSWORD, Person
from tests.web.test_errors import check_nothing_leaks
from tests.wire import Answer, send

ADDRESS = "/api/v1/openapi.json"
NO_ID = 2**31 - 2  # nobody's
Place = tuple[str | int, ...]  # of a value in a body

Headers = Sequence[tuple[bytes | str, bytes | str]]


@dataclass(frozen=True)
class Described:
    """One operation."""

    document: dict[str, Any]
    path: str
    method: str

    @property
    def own(self) -> dict[str, Any]:
        """What the document says of it."""
        found: dict[str, Any] = self.document["paths"][self.path][self.method.lower()]
        return found

    @property
    def name(self) -> str:
        return str(self.own["operationId"])

    @property
    def statuses(self) -> set[int]:
        return {int(status) for status in self.own["responses"]}

    @property
    def scope(self) -> str | None:
        """The scope that a token needs; None where it needs none or no token will do."""
        for way in self.own["security"]:
            for scope in way.get("token", []):
                return str(scope)
        return None

    @property
    def is_open(self) -> bool:
        return not self.own["security"]

    @property
    def takes_token(self) -> bool:
        return any("token" in way for way in self.own["security"])

    @property
    def variables(self) -> list[str]:
        return [each["name"] for each in self.parameters("path")]

    def parameters(self, place: str) -> list[dict[str, Any]]:
        return [each for each in self.own["parameters"] if each["in"] == place]

    def address(self, ids: Mapping[str, object]) -> str:
        """Its address, with these ids; fails for one that nobody thought of here."""
        return self.path.format(**ids)

    @property
    def types(self) -> list[str]:
        """The content types of its body."""
        return [*self.own.get("requestBody", {}).get("content", {})]

    @property
    def body(self) -> Any:
        """Its body, as the example has it, but for the password; None where it takes none."""
        for content in self.own.get("requestBody", {}).get("content", {}).values():
            found = copy.deepcopy(content["example"])
            if "current_password" in found:
                found["current_password"] = PASSWORD
            return found
        return None

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of its body."""
        found: dict[str, Any] = self.own["requestBody"]["content"][self.types[0]]["schema"]
        return found

    def resolved(self, value: dict[str, Any]) -> dict[str, Any]:
        """The same, also where it is a reference."""
        while "$ref" in value:
            found: Any = self.document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value

    def fields(self, value: Any = None, schema: Any = None) -> Iterator[tuple[Place, Any]]:
        """Every field of the example and of what else may stand there, with its schema."""
        yield from _fields(self, self.body if value is None else value, schema or self.schema, ())

    def bodies(self) -> Iterator[Any]:
        """Its body as the example has it, and one with every field and every kind of a choice."""
        if self.types:
            yield self.body
            yield next(_samples(self, self.schema))

    def objects(self) -> Iterator[Place]:
        """The places of all objects in the example."""
        yield from _objects(self.body, ())

    def replaced(self, place: Place, value: object) -> Any:
        """The example with another value at a place; its objects are made where they lack it."""
        body = found = self.body
        for part in place[:-1]:
            found = found[part]
        found[place[-1]] = value
        return body


def described(document: dict[str, Any]) -> list[Described]:
    """Every operation that the document describes."""
    return [
        Described(document, path, method.upper())
        for path, methods in document["paths"].items()
        for method in methods
    ]


async def description(app: Quart) -> list[Described]:
    """Every operation that an application describes."""
    answer = await send(app, target=ADDRESS)
    assert answer.status == 200
    return described(json.loads(answer.body))


@dataclass
class Caller:
    """Calls operations in somebody's name: by token, or by session where no token will do."""

    app: Quart
    person: Person
    program: Program

    async def call(
        self,
        it: Described,
        target: bytes | str,
        *,
        body: bytes | Sequence[bytes] = b"",
        headers: Headers = (),
        kind: str | None = None,
        **options: Any,
    ) -> Answer:
        """What the operation answers; fails for an answer that is not described or not sound."""
        sent: list[tuple[bytes | str, bytes | str]] = []
        if it.takes_token:
            sent.append(("Authorization", f"Bearer {self.program.token}"))
        elif not it.is_open:
            sent += [("Cookie", f"readlog-session={self.person.cookie()}"), ("Origin", ORIGIN)]
        if it.types and kind != "":
            sent.append(("Content-Type", kind or it.types[0]))
        replaced = {_text(name).lower() for name, _ in headers}
        sent = [(name, value) for name, value in sent if _text(name).lower() not in replaced]
        answer = await send(
            self.app, it.method, target, headers=[*sent, *headers], body=body, **options
        )
        check(it, answer)
        return answer


def check(it: Described, answer: Answer) -> None:
    """The answer is a described one, and a refusal tells all that it must and no more."""
    assert answer.status in it.statuses, (it.name, answer.status, answer.body[:500])
    response = it.resolved(it.own["responses"][str(answer.status)])
    for name, header in response["headers"].items():
        assert not header["required"] or answer.one(name), name
    for name in ("RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "ETag"):
        assert not answer.all(name) or name in response["headers"], (it.name, answer.status, name)
    if answer.body:
        # A parser that takes no half of a surrogate pair can read it.
        json.dumps(json.loads(answer.body), ensure_ascii=False).encode()
    if answer.status < 400:
        return
    assert answer.one("Content-Type") == "application/problem+json"
    told = json.loads(answer.body)
    own = {"errors"} if told["code"] == "INVALID_INPUT" else set()
    assert set(told) == {"type", "title", "status", "detail", "code", "request_id"} | own
    assert told["status"] == answer.status
    assert told["title"]
    assert told["detail"]
    assert told["request_id"] == answer.one("X-Request-ID")
    [content] = response["content"].values()
    assert told["code"] in content["examples"], (it.name, told)
    check_nothing_leaks(answer.text)


def encoded(value: object) -> bytes:
    """As JSON in ASCII: halves of surrogate pairs can be sent, too."""
    return json.dumps(value).encode()


def _fields(it: Described, value: Any, schema: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    schema = it.resolved(schema)
    kinds = [it.resolved(kind) for kind in schema.get("anyOf", [schema])]
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _fields(it, item, schema["items"], (*place, number))
    elif isinstance(value, dict):
        [kind] = [kind for kind in kinds if _is_kind(kind, value)]
        for name, field in kind["properties"].items():
            yield (*place, name), field
            if name in value:
                yield from _fields(it, value[name], field, (*place, name))


def _samples(it: Described, schema: Any) -> Iterator[Any]:
    """Values of a schema, one for each of its kinds; with a list of one of each as its items."""
    schema = it.resolved(schema)
    for kind in schema.get("anyOf", ()):
        yield from _samples(it, kind)
    if "enum" in schema:
        yield schema["enum"][0]
    elif schema.get("type") == "object":
        yield {name: next(_samples(it, field)) for name, field in schema["properties"].items()}
    elif schema.get("type") == "array":
        yield [*_samples(it, schema["items"])]
    elif "type" in schema:
        known = {"string": "a text", "integer": schema.get("minimum", 1), "boolean": True}
        yield known.get(schema["type"])


def _is_kind(kind: dict[str, Any], value: dict[str, Any]) -> bool:
    """Whether the schema is that of the value: where there are several, a tag tells."""
    properties = kind.get("properties", {})
    return properties.keys() >= value.keys() and all(
        value[name] in properties[name].get("enum", [value[name]])
        for name in value
        if isinstance(value[name], str)
    )


def _objects(value: Any, place: Place) -> Iterator[Place]:
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        yield place
        parts = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    for name, part in parts:
        yield from _objects(part, (*place, name))


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode("latin1")
