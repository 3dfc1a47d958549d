"""What comes in, and what goes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class ApiError(Exception):
    """A request that is refused.

    Args:
        status: of the HTTP answer.
        code: by which IBM's service calls the reason.
        message: what it says.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Request:
    """What a client sent. `path` is below the service's address; values of `query` come as lists.

    `instance` is the CRN of the account's instance that the client speaks for.
    """

    method: str
    path: str
    query: Mapping[str, list[str]]
    body: bytes
    authorization: str = ""
    instance: str = ""

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; an empty one where there is none.

        Raises:
            ApiError: it is something else.
        """
        try:
            found = json.loads(self.body or b"{}")
        except ValueError as error:
            raise ApiError(400, 1002, f"The body is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise ApiError(400, 1002, "The body is not a JSON object.")
        return found

    def one(self, name: str, default: str = "") -> str:
        """A value of the query."""
        return self.query.get(name, [default])[0]


@dataclass(frozen=True)
class Answer:
    """What a client gets."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, status: int = 200) -> Answer:
        """A value as JSON."""
        return cls(status, json.dumps(value).encode())

    @classmethod
    def text(cls, value: str) -> Answer:
        """Text as it is."""
        return cls(200, value.encode(), "text/plain; charset=utf-8")
