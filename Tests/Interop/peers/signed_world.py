"""Domains whose TLSA records are right, wrong, lost and forged, in zones signed by nsd: Postfix is their mail server,
attackers stand at some, and Martlet sends to them, passes on, and receives. Postfix and posttls-finger ask unbound."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

from harness import ARRIVAL_SECONDS, Failed, check, run
from peers.certificates import Authority, certificate_digest, key_digest
from peers.nsd import Nsd
from peers.outward import Outward
from peers.ports import listening_at, shared_port
from peers.postfix import Postfix
from peers.receiver import Receiver
from peers.relay_peer import OURS
from peers.scripted import EVERYTHING, Scripted
from peers.unbound import Unbound

SIGNED, OPEN = "signed.example", "open.example"
# Whose signatures are over, whose TLSA records are not those that were signed, and which its server can't load.
STALE, FORGED, DARK = "stale.example", "forged.example", "dark.example"
ZONES = (SIGNED, OPEN, STALE, FORGED, DARK, OURS)

OTHER_KEY = "3 1 1 " + "ab" * 32
LOST, BOGUS = "CNAME to a zone without a server", "CNAME to a zone whose signatures are over"


@dataclass
class Domain:
    """A domain with one mail host, or with the hosts of others in the order of preference.

    `face` is what Postfix shows there: a name of `Faces`; without one, Postfix doesn't stand there."""
    name: str
    face: str = None
    tlsa: list = field(default_factory=list)
    zone: str = SIGNED
    # The MX record stands in another zone than the host.
    through: str = None
    others: tuple = ()

    @property
    def mail(self):
        return f"{self.name}.{self.through or self.zone}"

    @property
    def host(self):
        return f"mx-{self.name}.{self.zone}"


class Faces:
    """Certificates, by what is said of them."""

    def __init__(self, authority):
        self.authority, ca = authority, authority.ca.read_text()

        def with_authority(pair):
            chain, key = pair
            chain.write_text(chain.read_text() + ca)
            return pair

        self.pairs = {
            "own": authority.self_signed(f"own.{SIGNED}"),
            "issued": authority.issue(f"mx-root-missing.{SIGNED}"),
            "chained": with_authority(authority.issue(f"mx-root.{SIGNED}")),
            "for-domain": with_authority(authority.issue(f"root-domain.{SIGNED}")),
            "elsewhere": with_authority(authority.issue("elsewhere.example")),
            "expired": authority.issue("elsewhere.example", days=-1),
            "expired-chained": with_authority(authority.issue(f"mx-root-expired.{SIGNED}", days=-1)),
            "clear": None,
        }
        self.root = f"2 0 1 {certificate_digest(authority.ca)}"

    def key(self, face):
        return f"3 1 1 {key_digest(self.pairs[face][0])}"


def domains(faces):
    """All that Postfix is a mail server of. Each has a host with an address and a listener of its own."""
    own, root = faces.key("own"), faces.root
    useless = ["1 1 1 " + "cd" * 32, "3 2 1 " + "cd" * 32, "3 1 1 abcd"]
    return [
        Domain("good", "own", [own]),
        Domain("other", "own", [OTHER_KEY]),
        Domain("rolled", "own", [OTHER_KEY, own]),
        Domain("agile", "own", [own, "3 1 2 " + "ab" * 64]),
        Domain("root", "chained", [root]),
        Domain("root-missing", "issued", [root]),
        Domain("root-domain", "for-domain", [root]),
        Domain("root-elsewhere", "elsewhere", [root]),
        Domain("root-expired", "expired-chained", [root]),
        Domain("expired", "expired", [faces.key("expired")]),
        Domain("lost", "own", [LOST]),
        Domain("bogus", "own", [BOGUS]),
        Domain("absent", "own"),
        Domain("nodata", "own", ["TXT nothing"]),
        Domain("plain", "clear"),
        Domain("promised", "clear", [own]),
        Domain("useless", "own", useless),
        Domain("useless-plain", "clear", useless),
        Domain("unsigned", "own", [OTHER_KEY], zone=OPEN),
        Domain("half", "own", [own], through=OPEN),
        Domain("half-other", "own", [OTHER_KEY], through=OPEN),
        Domain("forged", "own", [own], zone=FORGED),
        Domain("stale", "own", [own], zone=STALE),
        Domain("mandatory", "own"),
        Domain("mandatory-good", "own", [own]),
        Domain("mandatory-open", "own", [own], through=OPEN),
        Domain("verified", "own", [own]),
        Domain("waived", "own", [OTHER_KEY]),
        Domain("waived-floor", "own", [OTHER_KEY]),
        Domain("overridden", "own"),
        Domain("tightened", "own"),
        Domain("second", others=("lost", "good")),
        Domain("third", others=("other", "bogus", "good")),
    ]


def refusing(line):
    return "454 4.7.0 TLS not available due to temporary reason" if line.upper() == "STARTTLS" else None


def refusing_for_good(line):
    return "502 5.5.1 no such command" if line.upper() == "STARTTLS" else None


def injecting(line):
    return "220 go on\r\n250-attacker.example\r\n250 SIZE" if line.upper() == "STARTTLS" else None


def speechless(line):
    if line.upper().startswith("EHLO"):
        return "500 5.5.1 not understood"
    return "250 scripted.example" if line.upper().startswith("HELO") else None


def vanishing(line):
    if line.upper() == "STARTTLS":
        raise ConnectionError("as an attacker would have it")


ATTACKERS = {
    "stripped": (EVERYTHING, None),
    "refusing": ((*EVERYTHING, "STARTTLS"), refusing),
    "refusing-for-good": ((*EVERYTHING, "STARTTLS"), refusing_for_good),
    "injecting": ((*EVERYTHING, "STARTTLS"), injecting),
    "speechless": (EVERYTHING, speechless),
    "vanishing": ((*EVERYTHING, "STARTTLS"), vanishing),
}
# Martlet as a receiver: by the domain, and whether its TLSA record is that of its key.
RECEIVERS = {"verified": ("127.0.8.1", True), "mistrusted": ("127.0.8.2", False)}
THROUGH = "127.0.8.3"
OUTWARD = "127.0.8.4"


class Through(Outward):
    """Another Martlet, which passes on, with a name and a certificate of its own."""

    def __init__(self, certificate, *given, **settings):
        self.certificate = certificate
        super().__init__(*given, **settings)

    def settings(self, chain, key, *others):
        whole = super().settings(*self.certificate, *others)
        return whole.replace("hostname: mail.example.org", f"hostname: through.{OURS}").replace("outward.", "through.")


class SignedWorld:
    def __init__(self, bench):
        self.bench, self.port = bench, shared_port()
        self.folder = bench.place("signed-world")
        self.authority = Authority(self.folder / "tls")
        self.faces = Faces(self.authority)
        self.domains = {one.name: one for one in domains(self.faces)}
        standing = [one for one in self.domains.values() if one.face]
        self.addresses = {one.name: f"127.0.6.{index + 1}" for index, one in enumerate(standing)}
        self.attackers = {name: f"127.0.7.{index + 1}" for index, name in enumerate(ATTACKERS)}
        self.receiver_certificate = self.authority.self_signed(f"mail.{OURS}")
        self.through_certificate = self.authority.self_signed(f"through.{OURS}")
        self.stopping = []
        try:
            self.serve_names(self.records(standing))
            self.start(standing)
        except Exception:
            self.stop()
            raise

    # The DNS

    def records(self, standing):
        """The texts of the zones."""
        texts = {zone: "" for zone in ZONES}
        texts[DARK] = None

        def add(zone, host, address, tlsa):
            texts[zone] += f"{host}.{zone}. IN A {address}\n"
            for record in tlsa:
                record = {LOST: f"CNAME tlsa.{DARK}.", BOGUS: f"CNAME tlsa.{STALE}."}.get(record, record)
                kind = "" if record.startswith(("CNAME", "TXT")) else "TLSA "
                texts[zone] += f"_{self.port}._tcp.{host}.{zone}. IN {kind}{record}\n"

        for one in self.domains.values():
            if one.face:
                add(one.zone, f"mx-{one.name}", self.addresses[one.name], one.tlsa)
            for place, other in enumerate(one.others or [one.name]):
                texts[one.through or one.zone] += f"{one.mail}. IN MX {10 + place} {self.domains[other].host}.\n"
        for name, address in self.attackers.items():
            add(SIGNED, f"mx-{name}", address, [self.faces.key("own")])
            texts[SIGNED] += f"{name} IN MX 10 mx-{name}\n"
        texts[STALE] += f"tlsa IN TLSA {self.faces.key('own')}\n"
        ours = f"3 1 1 {key_digest(self.receiver_certificate[0])}"
        for name, (address, right) in RECEIVERS.items():
            add(OURS, f"mx-{name}", address, [ours if right else OTHER_KEY])
            texts[OURS] += f"{name} IN MX 10 mx-{name}\n"
        add(OURS, "mx-through", THROUGH, [f"3 1 1 {key_digest(self.through_certificate[0])}"])
        texts[OURS] += "through IN MX 10 mx-through\n"
        return texts

    def serve_names(self, texts):
        self.nsd = Nsd(self.folder, texts)
        anchors = []
        for zone in (SIGNED, STALE, FORGED, OURS):
            over = ("-i", "20200101000000", "-e", "20200201000000") if zone == STALE else ()
            anchors.append(self.nsd.sign(zone, *over)[0].read_text())
        # The addresses stay proven: only what the TLSA record says is no longer what was signed.
        file, right = self.nsd.file(FORGED), self.faces.key("own").split()[-1]
        check(right in file.read_text().lower(), "the signed zone should have the record")
        file.write_text(file.read_text().replace(right, "ab" * 32))
        self.anchors = self.folder / "anchors"
        self.anchors.write_text("".join(anchors))
        self.nsd.start()
        self.stopping.append(self.nsd)

    # The servers

    def start(self, standing):
        for name, address in self.attackers.items():
            keywords, answer = ATTACKERS[name]
            self.attackers[name] = Scripted(address, self.port, keywords=keywords, answer=answer)
            self.stopping.append(self.attackers[name])
        with ThreadPoolExecutor(max_workers=4) as pool:
            postfix = pool.submit(self.start_postfix, standing)
            receiver = pool.submit(Receiver, self.bench.martlet, self.bench.place("receiver-signed"),
                                   [address for address, _ in RECEIVERS.values()], self.port,
                                   self.receiver_certificate)
            through = pool.submit(self.start_martlet, partial(Through, self.through_certificate), "through", THROUGH,
                                  {"on": f"bob@verified.{OURS}"})
            martlet = pool.submit(self.start_martlet, Outward, "sender", OUTWARD, {})
        faults = []
        for name, begun in (("receiver", receiver), ("through", through), ("martlet", martlet), ("postfix", postfix)):
            if begun.exception() is None:
                setattr(self, name, begun.result())
                self.stopping.append(begun.result())
            else:
                faults.append(begun.exception())
        if faults:
            raise faults[0]

    def start_martlet(self, kind, name, address, forwards):
        floors = {f"{name}.{SIGNED}": "dane" for name in ("mandatory", "mandatory-good", "overridden", "waived-floor")}
        floors |= {f"mandatory-open.{OPEN}": "dane", f"verified.{SIGNED}": "verified"}
        return kind(self.bench.martlet, self.bench.place(name), self.nsd.address, self.anchors, address, self.port,
                    self.authority.ca, floors=floors, forwards=forwards)

    def start_postfix(self, standing):
        place = self.bench.place("postfix-signed")
        self.unbound = Unbound(self.bench.place("unbound"), f"127.0.0.1@{self.nsd.port}", ZONES, self.anchors)
        self.stopping.append(self.unbound)
        services = []
        for one in standing:
            pair = self.faces.pairs[one.face]
            services.append(f"{self.addresses[one.name]}:{self.port} inet n - n - - smtpd\n"
                            f"  -o syslog_name=at-{one.name}")
            services.append(f"  -o smtpd_tls_cert_file={pair[0]}\n  -o smtpd_tls_key_file={pair[1]}"
                            if pair else "  -o smtpd_tls_security_level=none")
        services.append("dane unix - - n - - smtp\n  -o smtp_tls_security_level=dane\n"
                        "  -o smtp_dns_support_level=dnssec\n  -o smtp_host_lookup=dns")
        postfix = Postfix(
            place, plain=True, services="\n".join(services) + "\n",
            transports={f"{name}.{OURS}": f"dane:{name}.{OURS}:{self.port}" for name in RECEIVERS},
            amended={"myhostname": "postfix.example", "smtp_tls_loglevel": "1", "smtpd_tls_loglevel": "1",
                     "virtual_mailbox_domains": " ".join(one.mail for one in self.domains.values())},
            under=self.unbound.under)
        if not listening_at([(address, self.port) for address in self.addresses.values()]):
            postfix.stop()
            raise Failed("Postfix does not listen:\n" + postfix.log())
        return postfix

    # What was heard

    def postfix_log(self):
        """All of it."""
        return (self.postfix.folder / "postfix.log").read_text("utf-8", "replace")

    def heard_by_postfix(self, name):
        """The lines of Postfix's log about the host of a domain."""
        return [line for line in self.postfix_log().splitlines() if f" at-{name}/" in line]

    def hears_no_envelope(self, name):
        """By Postfix's own count of the commands of each session with the host of a domain, once all are over."""
        until = time.monotonic() + ARRIVAL_SECONDS
        while True:
            lines = self.heard_by_postfix(name)
            begun, ended = (sum(f": {word} from " in line for line in lines) for word in ("connect", "disconnect"))
            if begun == ended:
                break
            check(time.monotonic() < until, f"a session with {name} goes on:\n" + "\n".join(lines[-10:]))
            time.sleep(0.05)
        said = [line for line in lines if re.search(r"\b(mail|rcpt|data|bdat)=", line)]
        check(not said, f"{name} heard of mail:\n" + "\n".join(said))

    def finger(self, domain):
        """What posttls-finger says of a domain's mail server at the level `dane`."""
        postfix = self.postfix
        _, said = run([*self.unbound.under, postfix.root / "usr/sbin/posttls-finger", "-c", "-l", "dane", "-t", "5",
                       "-T", "5", "-L", "summary,certmatch", f"{domain}:{self.port}"], env=postfix.environment)
        return said

    def stop(self):
        for one in reversed(self.stopping):
            one.stop()
        self.stopping = []


def signed_world(bench):
    return bench.once("signed-world", lambda: SignedWorld(bench))
