"""Postfix, Exim and OpenSMTPD hand mail to Martlet: in clear, over TLS of every kind, and not where they shouldn't."""

import contextlib
import re
import smtplib
import time

from harness import ARRIVAL_SECONDS, Failed, Letter, case, check, program, run_client
from peers.relay_peer import OURS
from peers.town import PEERS, WAYS, town
from wire import Wire

GROUP = "relay"
# 8-bit text, dots, blanks at the ends of lines, a line of 998 octets, and no line that a server would fold.
BODY = ("The héron — 白鷺 — stood in the reeds.\n.\n..\n.a dot before a word\n \ntrailing blanks   \n\ttab\t\n"
        + "x" * 998 + "\nFrom here on nothing is quoted\n\n\n")


def hand_over(peer, letter, options=(), asked=()):
    """The letter in the hands of the server, on its address without TLS, with parameters for MAIL and for each RCPT."""
    with smtplib.SMTP(peer.addresses["clear"], peer.port, local_hostname="author.example", timeout=30) as client:
        refused = client.sendmail(letter.sender, letter.to, letter.wire, mail_options=options, rcpt_options=asked)
        check(not refused, f"{peer.title} refused: {refused}")


def offers(peer):
    """The extensions the server offers to those who hand it mail."""
    with smtplib.SMTP(peer.addresses["clear"], peer.port, timeout=30) as client:
        client.ehlo("author.example")
        return {name.upper() for name in client.esmtp_features}


def letter_from(peer, to, body=BODY):
    return Letter(sender=f"alice@{peer.domain}", to=to, body=body, utf8=True)


def arrives(bench, peer, way, protocol):
    """Mail that goes this way to Martlet is in its Maildir, the same to the last byte, with the truth about the hop."""
    receiver = town(bench).receiver(way)
    letter = letter_from(peer, [f"bob@{way}.{OURS}"])
    hand_over(peer, letter, ["BODY=8BITMIME"])
    delivered, = waits(receiver, peer, letter)
    check(delivered.bytes.replace(b"\r\n", b"\n").endswith(letter.text.encode()), "the message changed on its way")
    check(delivered.fields("Return-Path") == [f"<{letter.sender}>"], f"{delivered.fields('Return-Path')}")
    delivered.check_received(protocol)
    trace = delivered.fields("Received")[0]
    check(re.match(rf"from {re.escape(peer.domain)} \(.*\[127\.0\.0\.1\]\) by mail\.{re.escape(OURS)}\b", trace),
          f"Received does not name {peer.title}: {trace}")
    return delivered


def waits(receiver, peer, letter, files=1):
    try:
        return receiver.maildir.wait(letter, files)
    except Failed as failure:
        raise Failed(f"{failure}\n{receiver.log()[-2000:]}\n{peer.log()[-2000:]}") from None


def comes_back(peer, letter, seconds=ARRIVAL_SECONDS):
    """The report that the server sends to its own sender."""
    until = time.monotonic() + seconds
    while True:
        for found in peer.maildir.holding(letter.token):
            if found.fields("Return-Path") in (["<>"], ["<MAILER-DAEMON>"], []):
                return found
        check(time.monotonic() < until, f"{peer.title} sent no report within {seconds} s:\n{peer.log()[-3000:]}")
        time.sleep(0.05)


# Strangers

@contextlib.contextmanager
def stranger(bench):
    """A connection from anywhere, past its EHLO."""
    receiver = town(bench).receiver("opportunistic")
    with Wire(town(bench).port, address=WAYS["opportunistic"].address) as wire:
        wire.expect(220)
        wire.ask("EHLO somewhere.example", 250)
        yield receiver, wire


def refuses(wire, command, code, status):
    reply = wire.ask(command, code)
    check(reply.lines[0][4:].startswith(status + " "), f"{command}: {code} {status} expected, got {reply}")


@case("a stranger may relay nothing through Martlet, and is told so at each RCPT", GROUP, ids=("SMTP-053",))
def no_open_relay(bench):
    with stranger(bench) as (_, wire):
        wire.ask("MAIL FROM:<eve@elsewhere.example>", 250)
        for recipient in ("bob@elsewhere.example", f"bob%elsewhere.example@{OURS}", f"bob@{OURS}.elsewhere.example",
                          "bob@[127.0.0.1]"):
            refuses(wire, f"RCPT TO:<{recipient}>", 550, "5.7.1")
        refuses(wire, f"RCPT TO:<bob%elsewhere.example@opportunistic.{OURS}>", 550, "5.1.1")
        wire.ask("DATA", 503, 554)


@case("a stranger's mail for a user nobody knows is refused at RCPT", GROUP, ids=("DSN-017",))
def unknown_user(bench):
    with stranger(bench) as (_, wire):
        wire.ask("MAIL FROM:<eve@elsewhere.example>", 250)
        refuses(wire, f"RCPT TO:<nobody@opportunistic.{OURS}>", 550, "5.1.1")
        wire.ask(f"RCPT TO:<bob@opportunistic.{OURS}>", 250)


@case("swaks reaches the postmaster of every domain, and the one without a domain", GROUP, ids=("SMTP-017",))
def postmaster(bench):
    receiver = town(bench).receiver("opportunistic")
    for recipient in ("PostMaster", f"postmaster@opportunistic.{OURS}", f"POSTMASTER@encrypt.{OURS.upper()}"):
        letter = Letter(sender="eve@elsewhere.example", to=[recipient])
        run_client([
            program("swaks", "swaks"), "--server", WAYS["opportunistic"].address, "--port", town(bench).port, "--tls",
            "--ehlo", "somewhere.example", "--from", letter.sender, "--to", recipient, "--data", "-"],
            standard_input=letter.wire)
        delivered, = receiver.maildir.wait(letter)
        delivered.check_received("ESMTPS")


def register(name, title):
    """The cases of one server."""
    def peer(bench):
        return town(bench)[name]

    @case(f"{title} hands mail to Martlet in clear where no STARTTLS is offered", GROUP,
          ids=("STLS-012", "SMTP-010", "SMTP-043", "SMTP-047", "TRACE-001"))
    def clear(bench):
        arrives(bench, peer(bench), "clear", "ESMTP")

    @case(f"{title} hands mail to Martlet over the STARTTLS of a self-signed certificate", GROUP,
          ids=("STLS-001", "SMTP-047", "TRACE-001", "TRACE-003"))
    def opportunistic(bench):
        arrives(bench, peer(bench), "opportunistic", "ESMTPS")

    @case(f"{title} hands mail to Martlet where it demands TLS of any certificate", GROUP,
          ids=("STLS-001", "TRACE-001", "TRACE-003"))
    def encrypt(bench):
        arrives(bench, peer(bench), "encrypt", "ESMTPS")

    @case(f"{title} hands mail to Martlet where it demands a certificate it can verify, and to no other", GROUP,
          ids=("TRACE-001", "TRACE-003"))
    def verified(bench):
        server = peer(bench)
        stranger = letter_from(server, [f"bob@mistrusted.{OURS}"])
        hand_over(server, stranger, ["BODY=8BITMIME"])
        arrives(bench, server, "verified", "ESMTPS")
        until = time.monotonic() + ARRIVAL_SECONDS
        while server.mistrusts not in server.log():
            check(time.monotonic() < until, f"{title} refused no certificate:\n{server.log()[-2000:]}")
            time.sleep(0.1)
        check(f"mistrusted.{OURS}" in server.queue(), f"the letter is not in the queue of {title}:\n{server.queue()}")
        check(not town(bench).receiver("mistrusted").maildir.holding(stranger.token),
              f"{title} took a certificate it should not have: this case proves nothing")

    @case(f"{title} reports a recipient whom Martlet does not know, and the other one gets the mail", GROUP,
          ids=("DSN-017",))
    def unknown(bench):
        server, receiver = peer(bench), town(bench).receiver("opportunistic")
        letter = letter_from(server, [f"nobody@opportunistic.{OURS}", f"carol@opportunistic.{OURS}"])
        hand_over(server, letter, ["BODY=8BITMIME"])
        waits(receiver, server, letter)
        report = comes_back(server, letter)
        check(f"nobody@opportunistic.{OURS}" in report.text, "the report does not name the recipient")
        check(re.search(r"550[ -]5\.1\.1", report.text), f"the report does not quote Martlet:\n{report.text[:3000]}")
        check(len(receiver.maildir.holding(letter.token)) == 1, "carol's letter arrived more than once")

    @case(f"{title} hands one message for several recipients to Martlet in one transaction", GROUP,
          ids=("SMTP-043", "SMTP-045"))
    def several(bench):
        server, receiver = peer(bench), town(bench).receiver("encrypt")
        letter = letter_from(server, [f"{local}@encrypt.{OURS}" for local in ("bob", "carol", "postmaster")])
        hand_over(server, letter, ["BODY=8BITMIME"])
        found = waits(receiver, server, letter, files=3)
        ids = {re.search(r"\bid (\S+?);?(?: |$)", one.fields("Received")[0]).group(1) for one in found}
        check(len(ids) == 1, f"there were {len(ids)} transactions: {ids}")
        for one in found:
            trace = one.fields("Received")[0]
            check(OURS not in trace.split(f"by mail.{OURS}", 1)[1], f"Received tells of the recipients: {trace}")


def international(name, title):
    @case(f"{title} hands an international address to Martlet with SMTPUTF8", GROUP,
          ids=("UTF8-006", "TRACE-002"))
    def smtputf8(bench):
        server, receiver = town(bench)[name], town(bench).receiver("opportunistic")
        check("SMTPUTF8" in offers(server), f"{title} offers no SMTPUTF8: {offers(server)}")
        letter = Letter(sender=f"åsa@{server.domain}", to=[f"grå@opportunistic.{OURS}"], utf8=True)
        hand_over(server, letter, ["BODY=8BITMIME", "SMTPUTF8"])
        delivered, = waits(receiver, server, letter)
        check(delivered.bytes.replace(b"\r\n", b"\n").endswith(letter.text.encode()), "the message changed on its way")
        check(delivered.fields("Return-Path") == [f"<{letter.sender}>"], f"{delivered.fields('Return-Path')}")
        delivered.check_received("UTF8SMTPS")


for kind in PEERS:
    register(kind.name, kind.title)
for kind in PEERS:
    if kind.speaks_utf8:
        international(kind.name, kind.title)
