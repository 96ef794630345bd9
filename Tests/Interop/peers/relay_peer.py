"""What Postfix, Exim and OpenSMTPD are asked to be: servers that hand mail to Martlet, and that take mail from it."""

from dataclasses import dataclass
from pathlib import Path

from harness import Maildir

# What a server is as a next hop, in the order of its addresses.
KINDS = ("clear", "selfsigned", "required", "verified", "wrongname")
# How a server hands mail to Martlet: by the domain of the recipient.
WAYS = ("clear", "opportunistic", "encrypt", "verified", "mistrusted", "outward")
OURS = "martlet.example"


@dataclass
class Hop:
    """One way to Martlet: the address to connect to and the name its certificate must carry where it is checked."""
    address: str
    name: str


@dataclass
class Station:
    """What all three are told. `ways` has a hop for each of WAYS, all on `port`, which is also the port on which the
    server listens as a next hop; certificates are judged by `ca`."""
    folder: Path
    port: int
    authority: object
    ways: dict

    @property
    def ca(self):
        return self.authority.ca


class RelayPeer:
    """One server with five faces as a next hop, one an address: without STARTTLS, with a self-signed certificate, one
    that takes mail over TLS alone, with a certificate of `authority` for its name, and with one for another name.

    Mail from the addresses of loopback is taken in on the first of them for anywhere; what is for `domain` and for
    those below it lands in `maildir`, but `refused@` is refused. What is for a domain of `Station.ways` goes there."""

    title = name = network = None
    # What its log says of a certificate it was told to verify and could not.
    mistrusts = None
    speaks_utf8 = True

    def __init__(self, station):
        self.station, self.port = station, station.port
        self.folder = station.folder
        self.domain = f"{self.name}.example"
        self.addresses = {kind: f"{self.network}.{index + 1}" for index, kind in enumerate(KINDS)}
        self.hosts = {kind: f"mx-{kind}.{self.domain}" for kind in KINDS}
        self.domains = {kind: f"{kind}.{self.domain}" for kind in KINDS}
        self.maildir = Maildir(self.prepare())

    @property
    def local(self):
        """The domains whose mail lands here."""
        return [self.domain, *self.domains.values()]

    def certificates(self):
        """The chain and key of each face that has TLS."""
        authority = self.station.authority
        return {
            "selfsigned": authority.self_signed(self.hosts["selfsigned"]),
            "required": authority.self_signed(self.hosts["required"]),
            "verified": authority.issue(self.hosts["verified"]),
            "wrongname": authority.issue("elsewhere.example"),
        }

    def records(self):
        """The lines of a zone file that lead to the faces."""
        for kind in KINDS:
            yield f"{self.domains[kind]}. MX 10 {self.hosts[kind]}."
            yield f"{self.hosts[kind]}. A {self.addresses[kind]}"
        # Reports about mail that came from here come back to where TLS is offered.
        yield f"{self.domain}. MX 10 {self.hosts['selfsigned']}."

    def listeners(self):
        return [(address, self.port) for address in self.addresses.values()]

    def prepare(self):
        """Writes the settings, starts the server, and gives the folder of the Maildir."""
        raise NotImplementedError
