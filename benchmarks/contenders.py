"""Who takes part: our scorer with each decoder, the loop written by hand, the Faust agent."""

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender_spec import Contender, ContenderSpec
from benchmarks.offsets import Places
from benchmarks.penstock_side import PARTITIONS, ServedModel, scorer
from benchmarks.prediction_records import LEAN_SCHEMA, LEAN_SCHEMA_ID

NAMES = {"handwritten": "hand-written loop", "faust_agent": "Faust agent, one by one"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How many requests each kind of contender gets in a turn: enough for some seconds of work."""

    penstock: int
    hand_written: int
    faust: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """What a scripted contender writes."""

    schema: str
    schema_id: int
    lean: bool


def build_contenders(served: ServedModel, places: Places, *, folder: Path, shares: Shares) -> tuple[Contender, ...]:
    """Our scorer with each decoder, then the others, each with an output topic of its own."""
    broker = places.bootstrap_servers
    lean = Writes(schema=LEAN_SCHEMA, schema_id=LEAN_SCHEMA_ID, lean=True)
    full = Writes(schema=served.prediction_schema, schema_id=served.prediction_schema_id, lean=False)
    return (
        scorer(served, bootstrap_servers=broker, folder=folder, decoder="arrow", records=shares.penstock),
        scorer(served, bootstrap_servers=broker, folder=folder, decoder="fastavro", records=shares.hand_written),
        scripted("handwritten", lean, served, places, folder=folder, records=shares.hand_written),
        scripted("faust_agent", lean, served, places, folder=folder, records=shares.faust),
        scripted("handwritten", full, served, places, folder=folder, records=shares.hand_written),
    )


def scripted(
    module: str, writes: Writes, served: ServedModel, places: Places, *, folder: Path, records: int
) -> Contender:
    """A contender that is a module of this package, with an output topic of its own."""
    name = NAMES[module] + ("" if writes.lean else ", writing penstock's whole record")
    topic = f"bench.{module}{'' if writes.lean else '.full'}"
    places.create_topic(topic, PARTITIONS)
    path = folder / f"{topic}.json"
    ContenderSpec(
        bootstrap_servers=places.bootstrap_servers,
        group=topic,
        requests_topic=served.requests_topic,
        output_topic=topic,
        model_file=str(served.model_file),
        request_schema=served.request_schema,
        output_schema=writes.schema,
        output_schema_id=writes.schema_id,
        lean=writes.lean,
    ).write(path)
    return Contender(
        name=name,
        command=(sys.executable, "-m", f"benchmarks.{module}", str(path)),
        group=topic,
        output_topic=topic,
        output_schema=writes.schema,
        records=records,
    )
