"""Ports of loopback that are free, and the wait until a server listens on them."""

import contextlib
import socket
import time


def free_ports(count):
    """Ports nobody listens on. All are held at once, so that no two are the same."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def listening(ports, seconds, address="127.0.0.1"):
    """True once every port takes a connection, False when the time is over."""
    until = time.monotonic() + seconds
    for port in ports:
        while True:
            try:
                socket.create_connection((address, port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.05)
    return True
