"""Martlet as it sends by MX among the servers of the town: a name server, and hosts that do as they are told."""

from harness import Letter
from peers.nsd import Nsd
from peers.outward import OWN_NAME, Outward
from peers.scripted import EVERYTHING, Scripted
from peers.town import PEERS, WAYS, town

# The hosts that do as they are told here. Nobody listens on the address of `down`.
HOSTS = {"first": "127.0.4.1", "second": "127.0.4.2", "grey": "127.0.4.3", "old": "127.0.4.4", "small": "127.0.4.5",
         "mirror": "127.0.4.6", "reporter": "127.0.4.7", "seen": "127.0.4.8", "unseen": "127.0.4.9",
         "down": "127.0.4.250"}
ZONE = "".join(f"{name} IN A {address}\n" for name, address in HOSTS.items()) + f"""
preferred IN MX 10 first
preferred IN MX 20 second
fallback IN MX 10 down
fallback IN MX 20 second
equal IN MX 10 first
equal IN MX 10 second
implicit IN A {HOSTS["first"]}
alias IN CNAME preferred
deadmx IN MX 10 down
deadmx IN A {HOSTS["first"]}
nullmx IN MX 0 .
greylisted IN MX 10 grey
sevenbit IN MX 10 old
little IN MX 10 small
loop IN MX 10 {OWN_NAME}.
backup IN MX 10 down
backup IN MX 20 {OWN_NAME}.
backup IN MX 30 second
mirrored IN MX 10 mirror
reporting IN MX 10 reporter
watched IN MX 10 seen
unwatched IN MX 10 unseen
"""


class World:
    """The name server, Martlet as it sends, and the scripted hosts."""

    def __init__(self, bench):
        place, streets = bench.place("world"), town(bench)
        peers = [streets[kind.name] for kind in PEERS]
        records = "".join(line.replace(" MX ", " IN MX ").replace(" A ", " IN A ") + "\n"
                          for peer in peers for line in peer.records())
        # Validation has somewhere to begin, and nothing to do: the zone of the mail servers is not signed.
        self.nsd = Nsd(place, {"example": ZONE + records, "broken.example": None, "anchor.test": ""})
        anchor, _ = self.nsd.sign("anchor.test")
        self.nsd.start()
        seen = set()

        def greylist(line):
            """450 for each recipient at its first time."""
            if line.upper().startswith("RCPT") and line not in seen:
                seen.add(line)
                return "450 4.7.1 greylisted, come back"
            return None

        self.hosts = {name: Scripted(HOSTS[name], streets.port, **given) for name, given in {
            "first": {}, "second": {}, "seen": {}, "unseen": {}, "reporter": {"keywords": (*EVERYTHING, "DSN")},
            "grey": {"answer": greylist}, "old": {"keywords": ("HELP",)},
            "small": {"keywords": ("SIZE 2000", "8BITMIME")}, "mirror": {"name": "mail.example.org"}}.items()}
        self.martlet = Outward(
            bench.martlet, place, self.nsd.address, anchor, WAYS["outward"].address, streets.port,
            streets.authority.ca,
            floors={f"{kind}.{peer.domain}": "verified" for peer in peers for kind in ("verified", "wrongname")},
            forwards={f"to-{peer.name}": f"refused@clear.{peer.domain}" for peer in peers}
            | {f"on-to-{kind}-{peer.name}": f"bob@{kind}.{peer.domain}"
               for peer in peers for kind in ("clear", "selfsigned")})

    def stop(self):
        self.martlet.stop()
        for host in self.hosts.values():
            host.stop()
        self.nsd.stop()


def world(bench):
    return bench.once("world", lambda: World(bench))


def goes_out(bench, *recipients, options=(), asked=(), **given):
    """A letter of alice's to these, in Martlet's hands."""
    letter = Letter(sender="alice@example.org", to=recipients, **given)
    world(bench).martlet.hand_in(letter, options, asked)
    return letter
