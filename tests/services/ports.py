"""Free loopback ports for servers that are restarted on the same port."""

import random
import socket
from contextlib import ExitStack

# Below Linux's ephemeral range (32768 and up): while a server is down, a client that keeps
# connecting from an ephemeral port could be given the server's own, and so connect to itself.
PORT_FIRST, PORT_LAST = 20_000, 32_000
ATTEMPTS_MAX = 1_000


def free_ports(count: int) -> tuple[int, ...]:
    """Distinct ports of 127.0.0.1 on which nobody listens now."""
    chooser = random.SystemRandom()
    ports: list[int] = []
    with ExitStack() as held:
        for _ in range(ATTEMPTS_MAX):
            if len(ports) == count:
                return tuple(ports)
            candidate = chooser.randint(PORT_FIRST, PORT_LAST)
            listener = held.enter_context(socket.socket())
            try:
                listener.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            ports.append(candidate)
    raise OSError(f"no {count} free ports between {PORT_FIRST} and {PORT_LAST}")


def answers(port: int) -> bool:
    """Whether something accepts connections on that port of 127.0.0.1."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True
