"""The mail servers of one run, each on addresses of its own in 127.0.0.0/8, and all on one port as if it were 25."""

from concurrent.futures import ThreadPoolExecutor

from peers.certificates import Authority
from peers.exim import Exim
from peers.opensmtpd import OpenSMTPD
from peers.ports import shared_port
from peers.receiver import Receiver
from peers.relay_peer import OURS, Hop, Station
from peers.relaying_postfix import RelayingPostfix

PEERS = (RelayingPostfix, Exim, OpenSMTPD)

# Martlet thrice. One is known by two addresses: a sender that mistrusts one of them avoids it for a while.
WAYS = {
    "clear": Hop("127.0.5.1", f"clear.{OURS}"),
    "opportunistic": Hop("127.0.5.2", f"opportunistic.{OURS}"),
    "encrypt": Hop("127.0.5.3", f"encrypt.{OURS}"),
    "verified": Hop("127.0.5.4", f"verified.{OURS}"),
    "mistrusted": Hop("127.0.5.5", f"mistrusted.{OURS}"),
    "outward": Hop("127.0.5.6", f"outward.{OURS}"),
}


class Town:
    """Servers are started beside one another; asking for one waits for it, or fails as its start did."""

    def __init__(self, bench):
        self.port = shared_port()
        self.authority = Authority(bench.place("town") / "tls")
        self.pool = ThreadPoolExecutor(max_workers=8)
        self.started = {}
        for make in PEERS:
            folder = bench.place(make.name)
            station = Station(folder, self.port, self.authority.branch(folder / "issued"), WAYS)
            self.started[make.name] = self.pool.submit(make, station)
        selfsigned = self.authority.self_signed(f"mail.{OURS}")
        verified = self.authority.issue(WAYS["verified"].name)
        for name, ways, certificate in (("clear", ["clear"], None),
                                        ("selfsigned", ["opportunistic", "encrypt", "mistrusted"], selfsigned),
                                        ("verified", ["verified"], verified)):
            self.started[f"receiver-{name}"] = self.pool.submit(
                Receiver, bench.martlet, bench.place(f"receiver-{name}"), [WAYS[way].address for way in ways],
                self.port, certificate)

    def __getitem__(self, name):
        return self.started[name].result()

    def receiver(self, way):
        """The Martlet that mail takes this way to."""
        return self["receiver-" + (way if way in ("clear", "verified") else "selfsigned")]

    def stop(self):
        self.pool.shutdown()
        for started in reversed(list(self.started.values())):
            if started.exception() is None:
                started.result().stop()


def town(bench):
    return bench.once("town", lambda: Town(bench))
