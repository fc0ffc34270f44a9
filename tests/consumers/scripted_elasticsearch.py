"""A stand-in for Elasticsearch that answers bulk requests as a script says: what a real one does under load.

Speaks HTTP on a free port of loopback and keeps documents in memory. It knows as much of the API
as the sink uses, and nothing of mappings.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

Answer = tuple[int, dict[str, Any]]

TOO_BUSY = (429, {"type": "es_rejected_execution_exception", "reason": "the queue is full"})
BROKEN = (503, {"type": "unavailable_shards_exception", "reason": "no primary"})
NO_DOCUMENT = (400, {"type": "document_parsing_exception", "reason": "a number was expected"})
TOO_LONG = (413, {"error": {"type": "content_too_long", "reason": "too many bytes"}, "status": 413})


@dataclass(slots=True)
class ScriptedElasticsearch:
    """`items`: how the next attempts to write an id are answered. `whole`: how the next bulk requests are.

    `bulks` has the ids of each bulk request in the order of their arrival; `before_answer` is called
    while a bulk request waits for its answer.
    """

    items: dict[str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    whole: list[Answer] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    bulks: list[list[str]] = field(default_factory=list)
    before_answer: Callable[[], None] = lambda: None
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, body: bytes) -> Answer:
        """The answer to one request."""
        if path.startswith("/_bulk"):
            self.before_answer()
            with self._lock:
                return self._bulk(body)
        if path.startswith("/_mget"):
            return 200, self._looked_up(orjson.loads(body)["docs"], with_ids="_id" in path)
        if path.startswith("/_index_template"):
            return 200, {"index_templates": [], "acknowledged": True}
        return 200, {}

    def _bulk(self, body: bytes) -> Answer:
        lines = [orjson.loads(line) for line in body.splitlines()]
        actions = list(zip(lines[::2], lines[1::2], strict=True))
        self.bulks.append([action["index"]["_id"] for action, _source in actions])
        if self.whole:
            return self.whole.pop(0)
        items = [{"index": self._item(action["index"]["_id"], source)} for action, source in actions]
        return 200, {"errors": any("error" in item["index"] for item in items), "items": items}

    def _item(self, key: str, source: Mapping[str, Any]) -> dict[str, Any]:
        script = self.items.get(key)
        if script:
            status, error = script.pop(0)
            return {"status": status, "error": error}
        self.documents[key] = source
        return {"status": 201}

    def _looked_up(self, wanted: list[dict[str, Any]], *, with_ids: bool) -> dict[str, Any]:
        """Every document in order with its id, or without ids only those that are there."""
        found = [(each["_id"], self.documents.get(each["_id"])) for each in wanted]
        told = [
            {**({"_id": key} if with_ids else {}), **({} if source is None else {"_source": source})}
            for key, source in found
        ]
        docs = [each for each in told if each]
        return {"docs": docs} if docs else {}


@contextmanager
def scripted_elasticsearch() -> Iterator[ScriptedElasticsearch]:
    """A stand-in that answers until the block is left."""
    script = ScriptedElasticsearch()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # In one packet: the client's side waits 40 ms before it acknowledges half an answer.
        wbufsize = 1 << 16

        def do_POST(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            status, content = script.answer(self.path, body)
            told = orjson.dumps(content)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(told)))
            self.send_header("x-elastic-product", "Elasticsearch")
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        script.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
