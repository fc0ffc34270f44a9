"""A door in front of a server that can be shut: what an outage of the network looks like to clients.

Bytes are passed on both ways while it is open. Shut, it ends every connection and refuses new ones;
the server behind it is left alone, so that it forgets nothing.
"""

import contextlib
import select
import socket
import threading
from types import TracebackType
from typing import Self

from tests.services.ports import free_ports

CHUNK_BYTES = 65_536


class Gate:
    """Listens on `port` of 127.0.0.1 and passes on to `target`; used as a context, it begins open."""

    def __init__(self, target: int) -> None:
        self.port = free_ports(1)[0]
        self._target = target
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()

    def open(self) -> None:
        """Let connections through again."""
        assert self._listener is None, "a gate that is open is not opened"
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """End what goes through and refuse what comes."""
        if self._listener is not None:
            # Closing alone would leave the accepting thread, and with it the port, as they are.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        with self._lock:
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _address = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near: socket.socket) -> None:
        """Carry bytes both ways until one side has none left, or the gate is shut."""
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
            ends = {near: far, far: near}
            with self._lock:
                self._sockets |= ends.keys()
            try:
                while True:
                    for source in select.select(ends, (), ())[0]:
                        chunk = source.recv(CHUNK_BYTES)
                        if not chunk:
                            return
                        ends[source].sendall(chunk)
            finally:
                with self._lock:
                    self._sockets -= ends.keys()
