"""What a contender is, and what its process is told as one JSON file."""

from dataclasses import asdict, dataclass
from pathlib import Path

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A command that reads requests as `group` and writes predictions, and how many it gets a turn."""

    name: str
    command: tuple[str, ...]
    group: str
    output_topic: str
    output_schema: str
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContenderSpec:
    """Where to read and write, with which model and schemas."""

    bootstrap_servers: str
    group: str
    requests_topic: str
    output_topic: str
    model_file: str
    request_schema: str
    output_schema: str
    output_schema_id: int
    lean: bool

    def write(self, path: Path) -> None:
        path.write_bytes(orjson.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "ContenderSpec":
        return cls(**orjson.loads(path.read_bytes()))
