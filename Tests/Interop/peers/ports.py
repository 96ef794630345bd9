"""Ports of loopback that are free, and the wait until a server listens on them."""

import itertools
import random
import socket
import time


# Below those that the system gives to whoever connects, from 32768 on: none is taken between its choice and its
# server's start, and whoever knocks where nobody listens yet can't meet himself, as TCP allows on one address.
CHOICE = range(10_000, 32_000)
GIVEN = set()
# A server that listens earlier is not waited for any longer.
START_SECONDS = 60


def free_ports(count, address="127.0.0.1"):
    """Ports of TCP and UDP that nobody uses at the address, and that this run has not given to anybody yet."""
    free = (port for port in random.sample(CHOICE, len(CHOICE)) if port not in GIVEN and is_free(port, address))
    ports = list(itertools.islice(free, count))
    GIVEN.update(ports)
    return ports


def is_free(port, address):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as one:
            try:
                one.bind((address, port))
            except OSError:
                return False
    return True


def shared_port():
    """A port that is free on every address of loopback: mail exchangers differ by address alone."""
    return free_ports(1, "0.0.0.0")[0]


def listening(ports, address="127.0.0.1", seconds=START_SECONDS):
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


def listening_at(places, seconds=START_SECONDS):
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
