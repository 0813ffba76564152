"""A session without a server: answers by what a statement contains, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Answer = Sequence[Mapping[str, Any]] | Exception | Callable[[str], Sequence[Mapping[str, Any]]]


class FakeSession:
    """The first key that a statement contains decides; a statement without a key has no rows."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[str] = []
        self.limits: list[float] = []
        self.values: list[Any] = []
        self.closed = False

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.closed = True

    def limit(self, statement_seconds: float) -> None:
        self.limits.append(statement_seconds)

    def fetch(self, query: Any, values: Any = None) -> list[dict[str, Any]]:
        text = query if isinstance(query, str) else repr(query)
        self.asked.append(text)
        self.values.append(values)
        for key, answer in self.answers.items():
            if key in text:
                if isinstance(answer, Exception):
                    raise answer
                rows = answer(text) if callable(answer) else answer
                return [dict(each) for each in rows]
        return []

    def fetch_tuples(self, query: Any) -> list[tuple[Any, ...]]:
        return [tuple(each.values()) for each in self.fetch(query)]
