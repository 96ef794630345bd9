"""`martlet trace` reads what real servers wrote: the Received chains of mail that went through several of them."""

import json
import re
import smtplib
import ssl

from harness import Letter, case, check, run, run_client
from next_hops import dovecot
from peers.relay_peer import OURS
from peers.town import town
from peers.world import goes_out, world
from serve import Serve

GROUP = "relay"
# What every address of these machines is below, as a reader of the message is told to see it.
NETWORK = "198.18.0.0/16"
COLUMNS = 80


def abroad(message):
    """The message as if each machine had an address of its own: a hop within loopback is no hop between machines, and
    `trace` says so. Nothing else of what the servers wrote is changed."""
    return re.sub(rb"\b127\.0\.(\d+\.\d+)\b", rb"198.18.\1", message)


def read(bench, message, *options):
    """What `martlet trace --json` says of a message, and that its text for people fits into a terminal."""
    text = run_client([bench.martlet, "trace", "-v", *options, "-"], message)
    wide = [line for line in text.splitlines() if len(line) > COLUMNS and len(line.split()) > 1]
    check(not wide, "lines of more than 80 columns that could be folded:\n" + "\n".join(wide))
    # Some fold their fields by tabs: they are no control characters to be shown by their numbers.
    check("<U+" not in text, f"control characters are shown of an ordinary message:\n{text}")
    return json.loads(run_client([bench.martlet, "trace", "--json", *options, "-"], message)), text


def through(bench, first, kind, second, over_tls):
    """A message that a client hands to `first`, over TLS or in clear; that goes on to Martlet, by one of its aliases to
    `second`, as what it is at its face `kind`, and there into a Maildir. As it lies there."""
    servers = town(bench)
    origin, target = servers[first], servers[second]
    receiver = world(bench).martlet
    letter = Letter(sender=f"alice@{origin.domain}", to=[f"on-to-{kind}-{second}@outward.{OURS}"])
    address = origin.addresses["selfsigned" if over_tls else "clear"]
    with smtplib.SMTP(address, origin.port, local_hostname="author.example", timeout=30) as client:
        if over_tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.starttls(context=context)
        check(not client.sendmail(letter.sender, letter.to, letter.wire), f"{origin.title} refused the letter")
    found, = waits_at(target, receiver, letter)
    chain = found.fields("Received")
    check(len(chain) == 3, f"three servers were to write a Received field: {chain}")
    return abroad(found.bytes)


def waits_at(peer, receiver, letter):
    try:
        return peer.maildir.wait(letter)
    except Exception:
        print(receiver.log()[-3000:], peer.log()[-2000:], sep="\n")
        raise


def says(hop, software, verdict, **more):
    check(hop.get("software") == software, f"{software} wrote the field: {hop}")
    check(hop["verdict"] == verdict, f"{verdict} expected: {hop}")
    for name, value in more.items():
        check(hop.get(name) == value, f"{name} should be {value}: {hop}")


def is_tls(hop, version):
    check(hop["tls"].get("version") == version, f"{version} expected: {hop['tls']}")
    # Exim over GnuTLS names a suite of TLS 1.3 in the manner of 1.2.
    check(re.fullmatch(r"TLS_([A-Z_]+_WITH_)?(AES_\d+_GCM_SHA\d+|CHACHA20_POLY1305_SHA256)",
                       hop["tls"].get("cipher_suite", "")), f"a modern suite expected: {hop['tls']}")
    check(not hop["tls"]["weaknesses"], f"nothing is weak in it: {hop['tls']}")


@case("trace tells that every hop was encrypted, from a client through Postfix and Martlet to Exim", GROUP,
      ids=("TRACE-001", "TRACE-003"))
def all_encrypted(bench):
    message = through(bench, "postfix", "selfsigned", "exim", over_tls=True)
    told, text = read(bench, message)
    first, second, third = told["hops"]
    says(first, "Postfix", "encrypted", by="postfix.example", greeting="author.example", authenticated=False)
    is_tls(first, "TLSv1.3")
    says(second, "Martlet", "encrypted", by="mail.example.org")
    check(second["tls"].get("cipher_suite", "").startswith("TLS_"), f"Martlet names the suite: {second}")
    says(third, "Exim", "encrypted", by="exim.example")
    is_tls(third, "TLSv1.3")
    check((told["between_machines"], told["encrypted"]) == (3, 3), f"3 of 3 expected: {told['summary']}")
    check("3 of 3 hops between machines were encrypted." in told["summary"], told["summary"])
    # Exim's field is the newest, and what lies below it came from outside.
    check([hop["word"] for hop in told["hops"]] == ["claimed", "claimed", "known"], f"whose word: {told['hops']}")
    check("may be forged" in told["caution"] and "may be forged" in text, f"it should warn: {told['caution']}")


@case("trace names the hops that went in clear, from a client through Exim and Martlet to Postfix", GROUP,
      ids=("TRACE-001", "TRACE-003"))
def in_clear(bench):
    message = through(bench, "exim", "clear", "postfix", over_tls=False)
    told, text = read(bench, message)
    first, second, third = told["hops"]
    says(first, "Exim", "not-encrypted", by="exim.example")
    says(second, "Martlet", "encrypted", by="mail.example.org")
    says(third, "Postfix", "not-encrypted", by="postfix.example")
    check((told["between_machines"], told["encrypted"]) == (3, 1), f"1 of 3 expected: {told['summary']}")
    check(re.search(r"NOT encrypted: ESMTP by Exim", text, re.I), f"the text should say so:\n{text}")
    for end in ("to exim.example", "to postfix.example"):
        check(end in told["summary"].replace("\n", " "), f"the hop {end} should be named: {told['summary']}")


@case("trace tells of the fields that OpenSMTPD writes, and of TLS where it is the client", GROUP,
      ids=("TRACE-001", "TRACE-003"))
def opensmtpd(bench):
    message = through(bench, "opensmtpd", "selfsigned", "exim", over_tls=False)
    told, _ = read(bench, message)
    first, second, third = told["hops"]
    says(first, "OpenSMTPD", "not-encrypted", by="opensmtpd.example")
    says(second, "Martlet", "encrypted", by="mail.example.org")
    says(third, "Exim", "encrypted", by="exim.example")


@case("trace believes the servers that --trust names, by address or by proven name, and no others", GROUP)
def trusted(bench):
    message = through(bench, "postfix", "selfsigned", "exim", over_tls=True)

    def words(*options):
        return [hop["word"] for hop in read(bench, message, *options)[0]["hops"]]

    check(words("--trust", NETWORK) == ["known"] * 3, f"all are ours: {words('--trust', NETWORK)}")
    # A greeting proves nothing: nobody has looked up that 198.18.0.1 is mail.example.org.
    check(words("--trust", "exim.example", "--trust", "example.org") == ["claimed", "claimed", "known"],
          "what a sender calls itself was believed")
    check(words("--trust", "elsewhere.example") == ["claimed"] * 3, "the newest field is not of a server of ours")
    code, said = run([bench.martlet, "trace", "--trust", "not a name", "-"], message)
    check(code == 64 and "--trust takes a domain or an address block" in said, f"{code}: {said}")


@case("trace tells who logged in, of mail that alice handed to Martlet for Postfix", GROUP, ids=("TRACE-001",))
def submitted(bench):
    peer = town(bench)["postfix"]
    letter = goes_out(bench, f"bob@selfsigned.{peer.domain}")
    found, = peer.maildir.wait(letter)
    told, text = read(bench, abroad(found.bytes))
    first, second = told["hops"]
    says(first, "Martlet", "encrypted", authenticated=True, by="mail.example.org")
    check(first["with"] == "ESMTPSA" and "the sender was authenticated" in text, f"ESMTPSA expected: {first}")
    says(second, "Postfix", "encrypted", authenticated=False, by="postfix.example")
    is_tls(second, "TLSv1.3")
    check(second["elapsed_seconds"] is not None and second["elapsed_seconds"] >= 0, f"how much later: {second}")


@case("trace tells a step to Dovecot on the same machine from a hop, and so every one over loopback", GROUP)
def within(bench):
    peer = dovecot(bench)
    server = Serve(bench.martlet, bench.place("serve"), deliver=f"{{lmtp: 'unix:{peer.socket}'}}")
    try:
        letter = Letter(sender="alice@example.org", to=["bob@example.org"])
        server.submit(letter)
        found, = peer.maildir("bob@example.org").wait(letter)
    finally:
        server.stop()
    told, _ = read(bench, abroad(found.bytes))
    first, second = told["hops"]
    says(first, "Martlet", "encrypted", authenticated=True)
    says(second, "Dovecot", "inside")
    check(second["word"] == "known" and first["word"] == "known", f"one machine, one word: {told['hops']}")
    check(told["between_machines"] == 1 and "The one hop between machines was encrypted" in told["summary"],
          told["summary"])
    told, _ = read(bench, found.bytes)
    check([hop["verdict"] for hop in told["hops"]] == ["inside", "inside"], f"loopback is no network: {told['hops']}")
    check("never went from one machine to another" in told["summary"], told["summary"])


@case("trace says what is wrong with what it can't read, each by its exit code", GROUP)
def mistakes(bench):
    place = bench.place("trace")
    (place / "empty.eml").write_bytes(b"")
    (place / "text.eml").write_bytes(b"no header here\n")
    for name, code, words in (("absent.eml", 66, "there is no such file"), ("empty.eml", 65, "no header field"),
                              ("text.eml", 65, "no header field"), (".", 74, "")):
        ended, said = run([bench.martlet, "trace", place / name])
        check(ended == code and words in said, f"{name}: {code} and {words!r} expected, got {ended}: {said}")
    ended, said = run([bench.martlet, "trace", "--domain", "example.org", place / "text.eml"])
    check(ended == 64 and "--live" in said, f"{ended}: {said}")
