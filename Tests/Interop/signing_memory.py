"""What signing costs in memory: a body goes by and is hashed, and no copy of it is held."""

import contextlib
import smtplib
import socket
import ssl
import time

from authentication import GROUP, STRANGER, Publisher, keys, published
from callers import Guarded, dns, proxied
from harness import Letter, case, check
from peers.certificates import Authority
from peers.ports import free_ports
from peers.scripted import Sink
from serve import Serve
from signatures import DOMAIN, Keys, martlet_signs, zone
from wire import trusting


def peak(pid):
    """The most memory that a process has had since its peak was forgotten, in KiB."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


LINE = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkr\n"
LARGE = LINE * (50_000_000 // len(LINE))

# What is freed goes back to the system at once: else hashing a password leaves 19 MiB in which a body's copy has room.
TIDY = ["env", "MALLOC_MMAP_THRESHOLD_=65536", "MALLOC_TRIM_THRESHOLD_=65536"]


def growth(bench, domain, letters):
    """How much memory the last of these letters takes in KiB, of a server that has keys for this domain and hands it to
    a next hop; and what that got of each."""
    authority, (port,) = Authority(bench.place("memory-tls")), free_ports(1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("localhost"))
    with contextlib.ExitStack() as started:
        def begun(peer):
            started.callback(peer.stop)
            return peer

        names, sink = begun(Publisher(bench.place("memory-zones"))), begun(Sink("127.0.0.1", port, context=context))
        server = begun(Serve(
            bench.martlet, bench.place("memory"), smarthost={"host": "localhost", "port": port}, trust=authority.ca,
            under=TIDY, limits=dns(bench, names.nsd.address) + "\nlimits: {message_size: 64 MiB}"))
        published(server, names, keys(server, "generate", domain), domain)
        arrived = []
        client = started.enter_context(smtplib.SMTP_SSL(
            "localhost", server.ports["submissions"], context=trusting(server.ca), timeout=120))
        client.login(server.user, server.password)
        for letter in letters:
            forget_peak(server.pid)
            before = peak(server.pid)
            client.sendmail(letter.sender, letter.to, letter.wire)
            arrived += arrives_at(sink, letter)
        check(sink.octets > sum(len(letter.wire) for letter in letters), f"only {sink.octets} octets arrived")
        return peak(server.pid) - before, arrived


def arrives_at(sink, letter):
    until = time.monotonic() + 120
    while not (found := sink.holding(letter.token)):
        check(time.monotonic() < until, "nothing arrived at the next hop within 120 s")
        time.sleep(0.02)
    return found


@case("relaying a message of 50 MB takes no more memory signed than unsigned: no copy of the body is held", GROUP)
def memory(bench):
    taken = {"unsigned": [], "signed": []}
    # Both have keys and look at the DNS; one of them has none for this author. The lower of two counts: when threads take
    # turns, a server now and then holds a read more.
    for kind, domain in (("unsigned", "sender.test"), ("signed", "example.org")) * 2:
        letters = [Letter(), Letter(body=LARGE)]
        grown, arrived = growth(bench, domain, letters)
        check([b"DKIM-Signature:" in one.content for one in arrived] == [kind == "signed"] * 2, arrived)
        taken[kind].append(grown)
    unsigned, signed = min(taken["unsigned"]), min(taken["signed"])
    check(signed - unsigned < 1024, f"{taken} KiB")
    return f"{unsigned} KiB unsigned, {signed} KiB signed"


def growth_by(bench, server, source, letter, octets):
    """How much memory a message takes in KiB that somebody with this address brings, and how it arrived."""
    with smtplib.SMTP(local_hostname="client.example.net", timeout=120) as client:
        client.sock = socket.create_connection(("127.0.0.1", server.ports["relay"]), timeout=120)
        client.sock.sendall(proxied(source))
        check(client.getreply()[0] == 220, "smtplib should be greeted")
        forget_peak(server.pid)
        before = peak(server.pid)
        client.sendmail(f"joe@{DOMAIN}", letter.to, octets)
        grown = peak(server.pid) - before
    return grown, server.maildir.wait(letter)[0]


@case("judging a signed message of 50 MB takes no more memory than taking it unseen: its body is hashed as it comes", GROUP)
def verifying(bench):
    own = Keys(bench.place("judging-memory-keys"))
    names = Publisher(bench.place("judging-memory-zones"))
    names.publish(DOMAIN, zone({f"{name}.": text for name, text in own.records.items()}))
    server = Guarded(bench.martlet, bench.place("judging-memory"), under=TIDY, limits="\n".join(
        [dns(bench, names.nsd.address), "inbound: {authentication: enforce}", "limits: {message_size: 64 MiB}"]))
    taken = {"unseen": [], "judged": []}
    try:
        small = [Letter(sender=f"joe@{DOMAIN}", to=["bob@example.org"]) for _ in range(2)]
        for letter, source in zip(small, ("192.168.7.7", STRANGER)):
            growth_by(bench, server, source, letter, martlet_signs(bench, own, "ed25519", letter.wire))
        for kind, source in (("unseen", "192.168.7.7"), ("judged", STRANGER)) * 2:
            letter = Letter(sender=f"joe@{DOMAIN}", to=["bob@example.org"], body=LARGE)
            grown, arrived = growth_by(bench, server, source, letter, martlet_signs(bench, own, "ed25519", letter.wire))
            results = " ".join(arrived.fields("Authentication-Results"))
            check(("dkim=pass" in results and "dmarc=pass" in results) == (kind == "judged"), results)
            taken[kind].append(grown)
    finally:
        server.stop()
        names.stop()
    # A body that is held once may hide in what is left of it the second time, so the most counts.
    unseen, judged = max(taken["unseen"]), max(taken["judged"])
    check(judged - unseen < 4 * 1024, f"{taken} KiB")
    return f"{unseen} KiB unseen, {judged} KiB judged"
