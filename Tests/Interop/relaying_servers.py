"""Martlet sends by MX to Postfix, Exim and OpenSMTPD: in clear, over TLS of every kind, and not where it is not safe
enough; and its reports come back to them."""

import re

from harness import Letter, case, check
from peers.relay_peer import OURS
from peers.town import PEERS, town
from peers.world import goes_out, world
from previous_hops import comes_back, hand_over

GROUP = "relay"


def in_clear(event, reason):
    check(event["tls"].startswith(f"none ({reason}"), f"tls should be none, because {reason}: {event}")


def delivered(bench, peer, kind):
    """The event of a letter that went to this face of the server, and what arrived there."""
    recipient = f"bob@{peer.domains[kind]}"
    letter = goes_out(bench, recipient, body="A line.\n.\n..dots\nblanks   \n\n")
    event = world(bench).martlet.event("recipient.delivered", recipient)
    found, = peer.maildir.wait(letter)
    check(found.bytes.replace(b"\r\n", b"\n").endswith(letter.text.encode()), "the message changed on its way")
    check(peer.hosts[kind] in event["host"], f"the host should be {peer.hosts[kind]}: {event}")
    return event, found


def waits_for_tls(bench, peer, kind):
    """Not a byte of the letter goes to this face; it waits, and the queue says why."""
    recipient, martlet = f"bob@{peer.domains[kind]}", world(bench).martlet
    letter = goes_out(bench, recipient)
    event = martlet.event("recipient.deferred", recipient)
    check(event["reason"] == "insecure", f"reason=insecure expected: {event}")
    check(recipient in martlet.queue(), "the message is no longer in the queue")
    check(not peer.maildir.holding(letter.token), "the message was handed over")
    check(recipient not in peer.log(), f"{peer.title} was told of the recipient:\n{peer.log()[-2000:]}")


def works(peer):
    """Whether the server can do TLS at all: that of OpenSMTPD 6.8 cannot with OpenSSL 3 (see peers/opensmtpd.py)."""
    return not hasattr(peer, "serves_tls") or peer.serves_tls()


BROKEN = "its STARTTLS fails in every handshake"


def register(name, title, note):
    """The cases of one server. `note` says of OpenSMTPD what becomes of its mail where its TLS is broken."""
    def peer(bench):
        return town(bench)[name]

    @case(f"{title} without STARTTLS gets its mail in clear, and the record says why", GROUP,
          ids=("STLS-014", "STLS-018", "SMTP-047"))
    def clear(bench):
        event, _ = delivered(bench, peer(bench), "clear")
        in_clear(event, "STARTTLS is not offered")

    @case(f"{title} with a self-signed certificate gets its mail over TLS{note('in clear, recorded')}", GROUP,
          ids=("STLS-008", "STLS-014", "STLS-018"))
    def selfsigned(bench):
        event, found = delivered(bench, peer(bench), "selfsigned")
        if works(peer(bench)):
            check(re.match(r"TLSv1\.3 .* unverified\b", event["tls"]), f"unverified TLS 1.3 expected: {event}")
            trace = found.fields("Received")[0]
            check(re.search(r"(?i)tls", trace), f"{title} saw no TLS: {trace}")
            return None
        in_clear(event, "STARTTLS failed")
        return BROKEN

    @case(f"{title} that demands TLS gets its mail over TLS{note('it waits')}", GROUP, ids=("STLS-018",))
    def required(bench):
        if works(peer(bench)):
            event, _ = delivered(bench, peer(bench), "required")
            check(event["tls"].startswith("TLSv1.3"), f"TLS 1.3 expected: {event}")
            return None
        waits_for_tls(bench, peer(bench), "required")
        return BROKEN

    @case(f"{title} with a certificate for its name gets mail of the floor `verified`{note('it waits')}", GROUP,
          ids=("STLS-015", "STLS-018"))
    def verified(bench):
        if works(peer(bench)):
            event, _ = delivered(bench, peer(bench), "verified")
            check(re.match(r"TLSv1\.3 .* verified\b", event["tls"]), f"verified TLS 1.3 expected: {event}")
            return None
        waits_for_tls(bench, peer(bench), "verified")
        return BROKEN

    @case(f"{title} with a certificate for another name gets no mail of the floor `verified`, and nothing in clear",
          GROUP, ids=("STLS-015", "STLS-016", "STLS-018"))
    def wrongname(bench):
        waits_for_tls(bench, peer(bench), "wrongname")

    @case(f"a report of what {title} refuses comes back by MX to the server that the mail came from", GROUP,
          ids=("SMTP-041", "SMTP-052", "DSN-011"))
    def refused(bench):
        # Through Martlet's alias to one of them, and the report to another.
        origin = town(bench)["postfix" if name != "postfix" else "exim"]
        world(bench)
        letter = Letter(sender=f"alice@{origin.domain}", to=[f"to-{name}@outward.{OURS}"])
        hand_over(origin, letter)
        report = comes_back(origin, letter)
        check(f"refused@clear.{peer(bench).domain}" in report.text, "the report does not name the recipient")
        check("Action: failed" in report.text and re.search(r"(?m)^Status: 5\.", report.text), "no failed recipient")
        check("Reporting-MTA: dns; mail.example.org" in report.text, "the report is not Martlet's")

    @case(f"{title} asks Martlet for a report of success, and gets it by MX with its ENVID", GROUP,
          ids=("DSN-006", "DSN-011", "DSN-013"))
    def success(bench):
        origin = peer(bench)
        world(bench)
        letter = Letter(sender=f"alice@{origin.domain}", to=[f"bob@outward.{OURS}"])
        hand_over(origin, letter, ["RET=HDRS", "ENVID=heron+2B7"], ["NOTIFY=SUCCESS,FAILURE"])
        world(bench).martlet.maildir.wait(letter)
        report = comes_back(origin, letter)
        for field in ("Reporting-MTA: dns; mail.example.org", "Original-Envelope-Id: heron+7", "Action: delivered"):
            check(field.lower() in report.text.lower(), f"the report lacks {field!r}:\n{report.text[:3000]}")


for server in PEERS:
    broken = server.name == "opensmtpd"
    register(server.name, server.title, lambda what, broken=broken: f", or where its TLS is broken: {what}" * broken)
