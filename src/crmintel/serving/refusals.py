"""What a request is told when it is not answered: a status, a type, a sentence, and where. Never a value."""

from collections.abc import Iterator, Sequence
from typing import Any, final

from crmintel.errors import CrmIntelError, DataTypeError


@final
class Refused(Exception):
    """A request that is not answered.

    Parameters
    ----------
    status : int
    kind : str
        For programs.
    message : str
        For people; it repeats nothing of the request.
    where : sequence of str
        Names of the model's own columns, or of routes.
    headers : mapping of str to str
    """

    def __init__(
        self, status: int, kind: str, message: str, where: Sequence[str] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.where = status, kind, message, tuple(where)
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """As JSON."""
        told: dict[str, Any] = {"type": self.kind, "message": self.message}
        return {"error": told | ({"where": list(self.where)} if self.where else {})}


def refusal(error: CrmIntelError, body: Any, own: frozenset[str]) -> Refused:
    """A complaint of the package as an answer; its words are kept back if anything that was sent stands in them.

    Parameters
    ----------
    error : CrmIntelError
    body : what was sent
    own : frozenset of str
        Names that the model has, which may be told.
    """
    kind = "bad_columns" if isinstance(error, DataTypeError) else "bad_values"
    message = str(error)
    if any(text in message for text in _told(body, own)):
        message = "The values break a rule of the data contract. Check them with InteractionLog.read."
    return Refused(422, kind, message)


def _told(body: Any, own: frozenset[str]) -> Iterator[str]:
    """Every text and number in a body as it could stand in a sentence; short ones say nothing of anybody."""
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and len(value) > 2 and value not in own:
            yield value
            yield repr(value)[1:-1]
        elif isinstance(value, int | float) and len(repr(value)) > 3:
            yield repr(value)
            yield f"{value:,}"
