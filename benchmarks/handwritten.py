"""The loop that people write by hand, as a process of its own: fast, and with no promise.

Polls up to 1,000 records, decodes them one by one, predicts on the batch, encodes one by one,
produces and commits without waiting. A crash loses or repeats predictions.
"""

import io
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
import skops.io
from confluent_kafka import Consumer, Message, Producer
from sklearn.linear_model import LogisticRegression

from benchmarks.contender_spec import ContenderSpec
from benchmarks.prediction_records import full_record, lean_record
from benchmarks.workload import FEATURES, load_schema

BATCH_RECORDS_MAX = 1_000
BATCH_WAIT_S = 0.05


class HandWrittenLoop:
    """Everything that the loop needs, prepared once."""

    def __init__(self, spec: ContenderSpec) -> None:
        self._spec = spec
        self._estimator: LogisticRegression = skops.io.load(spec.model_file)
        self._request_schema = fastavro.parse_schema(load_schema(spec.request_schema))
        self._output_schema = fastavro.parse_schema(load_schema(spec.output_schema))
        self._frame = b"\x00" + spec.output_schema_id.to_bytes(4, "big")
        self._build = lean_record if spec.lean else full_record
        self._consumer = Consumer(
            {
                "bootstrap.servers": spec.bootstrap_servers,
                "group.id": spec.group,
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "queued.min.messages": 100_000,
                "queued.max.messages.kbytes": 32_768,
                "fetch.queue.backoff.ms": 20,
            }
        )
        self._producer = Producer(
            {
                "bootstrap.servers": spec.bootstrap_servers,
                "linger.ms": 5,
                "batch.size": 262_144,
                "queue.buffering.max.messages": 500_000,
                "partitioner": "murmur2_random",
            }
        )

    def run(self, stop: threading.Event) -> None:
        """Score until told to stop."""
        self._consumer.subscribe([self._spec.requests_topic])
        while not stop.is_set():
            messages = self._consumer.consume(BATCH_RECORDS_MAX, BATCH_WAIT_S)
            if messages:
                self._score(messages)
                self._consumer.commit(asynchronous=True)
        self._producer.flush(30)
        self._consumer.close()

    def _score(self, messages: list[Message]) -> None:
        requests = [self._decode(message) for message in messages]
        rows = np.array([[request["features"][name] for name in FEATURES] for request in requests])
        scores = self._estimator.predict_proba(rows)[:, 1].tolist()
        for message, request, score in zip(messages, requests, scores, strict=True):
            record = self._build(
                request,
                score,
                partition=message.partition() or 0,
                offset=message.offset() or 0,
                requested_at=message.timestamp()[1],
            )
            buffer = io.BytesIO()
            buffer.write(self._frame)
            fastavro.schemaless_writer(buffer, self._output_schema, record)
            self._producer.produce(self._spec.output_topic, buffer.getvalue(), message.key())
        self._producer.poll(0)

    def _decode(self, message: Message) -> dict[str, Any]:
        value = message.value() or b""
        request: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), self._request_schema, None)
        assert isinstance(request, dict), "a request is a record"
        return request


def main() -> None:
    """Run until SIGTERM; the spec file is the one argument."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    HandWrittenLoop(ContenderSpec.read(Path(sys.argv[1]))).run(stop)


if __name__ == "__main__":
    main()
