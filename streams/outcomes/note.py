"""What is kept beside a partition's committed offsets, so that it can go on without its disk."""

from dataclasses import asdict, dataclass, field

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """`turn` counts up; `closed`: cohorts of earlier event times are out; `oldest`: offsets still needed, by input.

    `told`: the offsets, by input, as of which windows were told last, under `revision`.
    """

    turn: int = 0
    closed: int | None = None
    watermark: int | None = None
    oldest: dict[str, int] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    revision: int = 0

    def encode(self) -> str:
        """The note as text.

        >>> note = Note(turn=3, closed=7, oldest={"labels": 12})
        >>> Note.decode(note.encode()) == note
        True
        """
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def decode(cls, text: str) -> "Note":
        """Read what `encode` wrote; an empty one where there is none."""
        return cls(**orjson.loads(text)) if text else cls()
