"""A plain Faust agent that scores one request at a time, as Faust's own examples do."""

import io
import sys
from pathlib import Path
from typing import Any

import fastavro
import faust
import numpy as np
import skops.io

from benchmarks.contender_spec import ContenderSpec
from benchmarks.prediction_records import full_record, lean_record
from benchmarks.workload import FEATURES, load_schema


def build_app(spec: ContenderSpec, folder: Path) -> faust.App:
    """An app with one agent: decode, predict, encode, send."""
    app = faust.App(
        spec.group,
        broker=f"kafka://{spec.bootstrap_servers}",
        datadir=str(folder),
        store="memory://",
        value_serializer="raw",
        key_serializer="raw",
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        broker_session_timeout=6,
        broker_heartbeat_interval=1,
    )
    requests = app.topic(spec.requests_topic, key_type=bytes, value_type=bytes)
    predictions = app.topic(spec.output_topic, key_type=bytes, value_type=bytes)
    estimator = skops.io.load(spec.model_file)
    request_schema = fastavro.parse_schema(load_schema(spec.request_schema))
    output_schema = fastavro.parse_schema(load_schema(spec.output_schema))
    build = lean_record if spec.lean else full_record
    frame = b"\x00" + spec.output_schema_id.to_bytes(4, "big")

    async def score(stream: Any) -> None:
        async for event in stream.events():
            request: Any = fastavro.schemaless_reader(io.BytesIO(event.value[5:]), request_schema, None)
            row = np.array([[request["features"][name] for name in FEATURES]])
            record = build(
                request,
                float(estimator.predict_proba(row)[0, 1]),
                partition=event.message.partition,
                offset=event.message.offset,
                requested_at=int(event.message.timestamp * 1_000),
            )
            buffer = io.BytesIO()
            buffer.write(frame)
            fastavro.schemaless_writer(buffer, output_schema, record)
            await predictions.send(key=event.key, value=buffer.getvalue())

    app.agent(requests, name="score")(score)
    return app


def main() -> None:
    """Run until SIGTERM; the spec file is the one argument."""
    path = Path(sys.argv[1])
    app = build_app(ContenderSpec.read(path), path.parent / "faust")
    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main()
