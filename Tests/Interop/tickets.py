"""What outlives a handshake: session tickets, and keys that were lost. openssl looks on, and the server's
clock is turned."""

import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

from harness import ARRIVAL_SECONDS, CLIENT_SECONDS, case, check, program, run
from serve import Serve

GROUP = "refusals"
HOUR, DAY = 3_600, 86_400


class Clock:
    """The wall clock of a program that is run under it; how long things take stays as it is."""

    def __init__(self, folder):
        self.file, library = folder / "turned-by", folder / "turned_clock.so"
        subprocess.run([program("cc", "gcc"), "-shared", "-fPIC", "-O1", "-o", library,
                        Path(__file__).with_name("turned_clock.c")], check=True)
        self.turn(0)
        self.under = ["env", f"LD_PRELOAD={library}", f"TURNED_CLOCK={self.file}"]

    def turn(self, seconds):
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds}\n")
        new.rename(self.file)


def handshake(server, *options):
    _, output = run([program("openssl", "openssl"), "s_client", "-connect", f"localhost:{server.ports['submissions']}",
                     "-CAfile", server.ca, "-crlf", "-ign_eof", "-tls1_2", *options],
                    standard_input=b"quit\n", timeout=CLIENT_SECONDS)
    check("Verify return code: 0" in output, f"the handshake failed:\n{output[-1500:]}")
    return output


def key_name(output):
    """A ticket's first sixteen octets name the key that it is sealed with (RFC 5077 §4)."""
    found = re.search(r"TLS session ticket:\s+0000 - ((?:[0-9a-f]{2}[ -]){16})", output)
    check(found, f"no ticket came:\n{output[-1500:]}")
    return found[1]


@case("session tickets are good for hours, and the keys that seal them for days", GROUP, ids=("TLSB-006",))
def ticket_keys(bench):
    place = bench.place("tickets")
    clock = Clock(place)
    server = Serve(bench.martlet, place, under=clock.under)
    try:
        session = place / "session"
        first = key_name(handshake(server, "-sess_out", session))
        clock.turn(HOUR)
        output = handshake(server, "-sess_in", session)
        check("Reused, TLSv1.2" in output, f"an hour later the session should be resumed:\n{output[-1500:]}")
        check(key_name(handshake(server)) == first, "the key should be the same for a day or two")
        clock.turn(5 * HOUR)
        output = handshake(server, "-sess_in", session)
        check("New, TLSv1.2" in output, f"five hours later the session should be over:\n{output[-1500:]}")
        clock.turn(3 * DAY)
        second = key_name(handshake(server))
        check(second != first, "three days later tickets should have another key")
        clock.turn(6 * DAY)
        check(key_name(handshake(server)) not in (first, second), "six days later they should have a third")
    finally:
        server.stop()


def shown(server):
    """The certificate that a new connection is shown, whoever signed it."""
    context = ssl._create_unverified_context()
    with socket.create_connection(("localhost", server.ports["submissions"]), CLIENT_SECONDS) as wire:
        with context.wrap_socket(wire, server_hostname="localhost") as inside:
            return ssl.DER_cert_to_PEM_cert(inside.getpeercert(binary_form=True))


@case("a key that is replaced on disk is gone from the next connection on, without a restart", GROUP,
      ids=("TLSB-013",))
def replaced_key(bench):
    place = bench.place("lost-key")
    server = Serve(bench.martlet, place)
    try:
        old = shown(server)
        chain, key = server.authority.issue("localhost", "IP:127.0.0.1")
        new = Path(chain).read_text()
        shutil.copy(key, place / "tls" / "1.key")
        shutil.copy(chain, place / "tls" / "1.pem")
        server.background.process.send_signal(signal.SIGHUP)
        until = time.monotonic() + ARRIVAL_SECONDS
        while (seen := shown(server)) == old:
            check(time.monotonic() < until, f"the old certificate is still shown:\n{server.log()}")
            time.sleep(0.05)
        check(seen.split() == new.split(), "another certificate than the new one is shown")
        check(all(shown(server) == seen for _ in range(20)), "the old certificate is shown now and then")
    finally:
        server.stop()
