"""Hosts on whose port nothing comes back, as where a provider blocks port 25: one alarm, and what ends it.

No firewall and no privilege is needed: where the queue of a listening socket is full, Linux drops what would begin
another connection, and whoever dials hears nothing."""

import contextlib
import json
import socket
import subprocess
import time

from harness import Letter, case, check
from peers.certificates import Authority
from peers.nsd import Nsd
from peers.outward import Outward
from peers.ports import shared_port
from peers.scripted import Scripted

GROUP = "relay"
SILENT = 5
# Each is waited for 30 seconds, all beside one another.
ALARM_SECONDS = 90


class Silent:
    """Listens, never accepts, and has no room for another."""

    def __init__(self, address, port):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(0)
        self.callers = []
        # A queue of length 0 has room for one; more are begun than fit.
        for _ in range(3):
            caller = socket.socket()
            caller.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                caller.connect((address, port))
            self.callers.append(caller)

    def is_silent(self, address, port):
        with socket.socket() as caller:
            caller.settimeout(1.5)
            try:
                caller.connect((address, port))
            except TimeoutError:
                return True
            except OSError:
                return False
            return False

    def stop(self):
        for one in [*self.callers, self.listener]:
            one.close()


@case("hosts that all stay silent make one alarm that names the port and what to do, until one answers", GROUP)
def blocked(bench):
    place, port = bench.place("silence"), shared_port()
    addresses = [f"127.0.8.{number + 1}" for number in range(SILENT)]
    nsd = Nsd(place, {"example": "".join(
        f"silent{number} IN MX 10 mx.silent{number}\nmx.silent{number} IN A {address}\n"
        for number, address in enumerate(addresses)) + "awake IN MX 10 mx.awake\nmx.awake IN A 127.0.8.200\n",
        "anchor.test": ""})
    anchor, _ = nsd.sign("anchor.test")
    nsd.start()
    silent = [Silent(address, port) for address in addresses]
    awake = Scripted("127.0.8.200", port)
    server = None
    try:
        check(all(one.is_silent(address, port) for one, address in zip(silent, addresses)),
              "a full queue was to make a host silent: this case proves nothing")
        server = Outward(bench.martlet, place, nsd.address, anchor, "127.0.8.250", port,
                         Authority(place / "roots").ca, floors={}, forwards={})
        for number in range(SILENT):
            server.hand_in(Letter(sender="alice@example.org", to=[f"bob@silent{number}.example"]))
        what = f"port-{port}-blocked"

        def alarms(name):
            return [one for one in server.all_events("server.alarm") if one.get("what") == name]

        until = time.monotonic() + ALARM_SECONDS
        while not alarms(what):
            check(time.monotonic() < until, f"no alarm {what} within {ALARM_SECONDS} s:\n{server.log()}")
            time.sleep(0.2)
        alarm, = alarms(what)
        check("provider" in alarm["reason"] and "smarthost" in alarm["remedy"], f"what it is and what to do: {alarm}")
        for recipient in (f"bob@silent{number}.example" for number in range(SILENT)):
            check(recipient in server.queue(), f"{recipient} is no longer in the queue")
        shown, facts = status(bench, server), json.loads(status(bench, server, "--json"))
        check(what in shown and "smarthost" in " ".join(shown.split()), f"queue status should tell:\n{shown}")
        check(any(one["what"] == what for one in facts["alarms"]), f"in JSON too: {facts['alarms']}")
        server.hand_in(Letter(sender="alice@example.org", to=["bob@awake.example"]))
        server.event("recipient.delivered", "bob@awake.example")
        check(len(alarms(f"port-{port}-reachable")) == 1, "its end was to be told, once")
        check(what not in status(bench, server), "queue status still tells of it")
    finally:
        if server is not None:
            server.stop()
        for one in silent:
            one.stop()
        awake.stop()
        nsd.stop()


def status(bench, server, *options):
    return subprocess.run([bench.martlet, "queue", "status", "--config", server.config, *options], check=True,
                          capture_output=True, text=True, timeout=30).stdout
