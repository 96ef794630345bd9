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


def shared_port():
    """A port that is free on every address of loopback: mail exchangers differ by address alone."""
    with socket.socket() as held:
        held.bind(("0.0.0.0", 0))
        return held.getsockname()[1]


def listening(ports, seconds, address="127.0.0.1"):
    """True once every port takes a connection, False when the time is over."""
    return listening_at([(address, port) for port in ports], seconds)


def answering(path, seconds):
    """True once a socket in the file system takes a connection, False when the time is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(str(path))
                return True
        except OSError:
            time.sleep(0.02)
    return False


def listening_at(places, seconds):
    """The same for pairs of address and port."""
    until = time.monotonic() + seconds
    for place in places:
        while True:
            try:
                socket.create_connection(place, timeout=1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    return False
                time.sleep(0.05)
    return True
