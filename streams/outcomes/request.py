"""What is known of one request: its predictions, and the label that holds. Pure.

Predictions and labels come in, in any order and any number of times, and the same request comes
out: of labels the highest (revision, event time, content) holds, of repeated predictions the one
whose request came last. Tuples rather than dataclasses, since one of each is made for each record.
"""

from typing import NamedTuple

Rank = tuple[int, int, tuple[int, str | float, bool, float, bool, float]]


class Truth(NamedTuple):
    """A label as the join keeps it; `label` None takes an earlier one back, `appended_at` never falls."""

    revision: int
    event_time: int
    label: str | float | None
    weight: float | None
    value: float | None
    appended_at: int
    offset: int

    @property
    def rank(self) -> Rank:
        """What decides between two labels of a request: never where a record happened to lie."""
        kind = 0 if self.label is None else 1 if isinstance(self.label, str) else 2
        content = (
            kind,
            self.label if self.label is not None else 0.0,
            self.weight is not None,
            self.weight or 0.0,
            self.value is not None,
            self.value or 0.0,
        )
        return self.revision, self.event_time, content


class Kept(NamedTuple):
    """A prediction's bytes. `ident`: live, or shadow and the version; `position`: grows with its request's place."""

    ident: str
    position: int
    value: bytes


class Request(NamedTuple):
    """All that is known of one request of one entity; `since`: the append time of its first record, ms."""

    since: int
    truth: Truth | None
    predictions: tuple[Kept, ...]


def with_truth(request: Request | None, truth: Truth) -> Request | None:
    """The request with this label, or None when that changes nothing.

    >>> early, late = (Truth(0, 5, label, None, None, 7, 0) for label in ("a", "b"))
    >>> with_truth(with_truth(None, late), early) is None
    True
    >>> with_truth(with_truth(None, early), late).truth.label
    'b'
    """
    if request is None:
        return Request(truth.appended_at, truth, ())
    if request.truth is not None:
        if truth.rank <= request.truth.rank:
            return None
        # Append times can go back when another broker leads; what is told later must be numbered later.
        truth = truth._replace(appended_at=max(truth.appended_at, request.truth.appended_at))
    return Request(request.since, truth, request.predictions)


def with_prediction(request: Request | None, kept: Kept, appended_at: int) -> Request | None:
    """The request with this prediction, or None when that changes nothing."""
    if request is None:
        return Request(appended_at, None, (kept,))
    others = tuple(each for each in request.predictions if each.ident != kept.ident)
    if len(others) < len(request.predictions) and kept.position <= of_ident(request, kept.ident).position:
        return None
    return Request(request.since, request.truth, (*others, kept))


def of_ident(request: Request, ident: str) -> Kept:
    """The prediction of that role and version, which is there."""
    return next(each for each in request.predictions if each.ident == ident)


def ident_of(role: str, version: str) -> str:
    """What tells a request's predictions apart.

    >>> ident_of("live", "2"), ident_of("shadow", "2")
    ('live', 'shadow:2')
    """
    return "live" if role == "live" else f"shadow:{version}"


def key_of(request_id: str, entity_id: str) -> str:
    r"""What a prediction and its labels have alike; the request first, so that time-ordered ids stay so on disk.

    >>> key_of("r1", "N14228")
    'r1\x00N14228'
    >>> key_of("a\0b", "c") == key_of("a", "b\0c")
    False
    """
    if "\0" in request_id or "\0" in entity_id:
        return f"{request_id}\0{entity_id}\0{len(request_id)}"
    return f"{request_id}\0{entity_id}"


def ids_of(key: str) -> tuple[str, str]:
    r"""Request and entity of a key.

    >>> ids_of(key_of("r1", "N14228")), ids_of(key_of("a\0b", "c"))
    (('r1', 'N14228'), ('a\x00b', 'c'))
    """
    request_id, _, entity_id = key.partition("\0")
    if "\0" not in entity_id:
        return request_id, entity_id
    both, _, length = key.rpartition("\0")
    return both[: int(length)], both[int(length) + 1 :]
