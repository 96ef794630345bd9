"""What signing costs in memory: a body goes by and is hashed, and no copy of it is held."""

import contextlib
import smtplib
import ssl
import time

from authentication import GROUP, Publisher, keys, published
from callers import dns
from harness import Letter, case, check
from peers.certificates import Authority
from peers.ports import free_ports
from peers.scripted import Sink
from serve import Serve
from wire import trusting


def peak(pid):
    """The most memory that a process has had since its peak was forgotten, in KiB."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


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
    line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODkr\n"
    taken = {"unsigned": [], "signed": []}
    # Both have keys and look at the DNS; one of them has none for this author. The lower of two counts: when threads take
    # turns, a server now and then holds a read more.
    for kind, domain in (("unsigned", "sender.test"), ("signed", "example.org")) * 2:
        letters = [Letter(), Letter(body=line * (50_000_000 // len(line)))]
        grown, arrived = growth(bench, domain, letters)
        check([b"DKIM-Signature:" in one.content for one in arrived] == [kind == "signed"] * 2, arrived)
        taken[kind].append(grown)
    unsigned, signed = min(taken["unsigned"]), min(taken["signed"])
    check(signed - unsigned < 1024, f"{taken} KiB")
    return f"{unsigned} KiB unsigned, {signed} KiB signed"
