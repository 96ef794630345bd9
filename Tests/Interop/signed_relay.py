"""What the server signs as it accepts it verifies at the next hop: nothing on the way out changes a message."""

import base64
import contextlib
import re

from authentication import Publisher, keys, published
from callers import dns
from filters import kinds, left_out
from harness import Letter, case, check, difference
from next_hops import smarthost_settings
from peers import opendkim
from peers.certificates import Authority
from peers.ports import free_ports
from peers.postfix import DOMAIN as POSTFIX_DOMAIN
from peers.postfix import Postfix
from peers.receiver import Receiver
from peers.relay_peer import OURS
from peers.smarthost import Smarthost
from serve import Serve
from signatures import GROUP, Keys, asked, dkimpy, martlet_verifies, zone
from wire import Wire, plain, trusting

IDS = ("DKIM-003", "DKIM-006", "DKIM-007", "DKIM-008", "8BIT-001")
# Of a line with its end 1,000 octets are allowed (RFC 5321 §4.5.3.1.6), not counting the dot that DATA adds.
LONGEST = 998
ELSEWHERE = "elsewhere.test"
SIGNATURE = re.compile(rb"(?m)^DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*")


def letters(recipient):
    """Messages that a transport may be tempted to change, by name."""
    def letter(body, *fields, utf8=False):
        return Letter(to=[recipient], body=body, extra_fields=fields, utf8=utf8)

    long = "x" * (LONGEST - len('Cc: "" <carol@example.net>'))
    return {
        "an ordinary one": letter(None),
        "no body": letter(""),
        "nothing but line ends": letter("\n\n\n"),
        "dots": letter(".\n..\n...\n. x\n.x\n\n.\n\n..\nx.\n.\n"),
        "dots across every piece": letter("".join("." * (1 + i % 4) + "x" * (i % 61) + "\n" for i in range(20_000))),
        "eight bits": letter("Grüße aus Köln, Zoë\n.ö\n", utf8=True),
        "no last line end": letter("x\n.the last line has no end"),
        "long lines": letter("".join(
            start + "x" * (length - len(start)) + "\n" for length in (LONGEST - 1, LONGEST) for start in ("", ".", "..")),
            f'Cc: "{long}" <carol@example.net>'),
        "white space": letter("a  b\t\tc \t\n \n\t\nend  \n\t \n\n\n\n"),
        "folds": letter("x\n", "Cc: Sue <sue@example.net>,\n\tJim   <jim@example.net> ,\n  \tAnn <ann@example.net> \t"),
        "header in UTF-8": letter("Grüße\n", "Cc: Zoë <zoë@example.net>", utf8=True),
    }


def signed_elsewhere(letter, key):
    """The same letter with an older signature above it."""
    (answer,) = dkimpy([{
        "do": "sign", "message": base64.b64encode(letter.wire).decode(), "selector": "ed25519", "domain": ELSEWHERE,
        "key": key, "canonicalize": ["relaxed", "simple"], "algorithm": "ed25519-sha256"}])
    letter.wire = base64.b64decode(answer["field"]) + letter.wire
    return letter


def hand_in(server, letter, way):
    """Submits a letter octet by octet as it is, by DATA, or by BDAT in three pieces that end anywhere."""
    with Wire(server.ports["submissions"], context=trusting(server.ca), implicit=True) as wire:
        wire.expect(220)
        wire.ask("EHLO client.example.org", 250)
        wire.ask(f"AUTH PLAIN {plain(server.user, server.password)}", 235)
        wire.ask(f"MAIL FROM:<{letter.sender}> BODY=8BITMIME SMTPUTF8", 250)
        for recipient in letter.to:
            wire.ask(f"RCPT TO:<{recipient}>", 250)
        if way == "DATA":
            wire.ask("DATA", 354)
            wire.send(letter.stuffed())
            wire.expect(250, of="the end of data")
        else:
            third = len(letter.wire) // 3
            for piece in (letter.wire[:third], letter.wire[third:2 * third]):
                wire.send(f"BDAT {len(piece)}\r\n".encode() + piece)
                wire.expect(250, of="BDAT")
            wire.send(f"BDAT {len(letter.wire) - 2 * third} LAST\r\n".encode() + letter.wire[2 * third:])
            wire.expect(250, of="BDAT LAST")
        wire.ask("QUIT", 221)


def whole(letter):
    """What has to arrive: the last line gets its end where it has none (RFC 5321 §4.1.1.4)."""
    return letter.wire if letter.wire.endswith(b"\r\n") else letter.wire + b"\r\n"


def check_above(name, message, letter, facts):
    """Our two signatures stand above the message as it was handed in, an older one's among the rest of it."""
    above = message[:len(message) - len(whole(letter))]
    fields = re.findall(rb"(?m)^([!-9;-~]+):", above)
    ours = SIGNATURE.findall(above)
    check(len(ours) == 2 and all(any(f"s={key['selector']};".encode() in field for field in ours) for key in facts),
          f"{name}: two signatures of ours should stand above it: {above.decode()}")
    check(set(fields) <= {b"Return-Path", b"Delivered-To", b"Received", b"DKIM-Signature", b"X-Original-To"},
          f"{name}: what is above it? {fields}")


@contextlib.contextmanager
def signing(bench, smarthost, trust):
    """A server that signs by both kinds of key and hands everything to this next hop, and its keys."""
    names = Publisher(bench.place("signed-zones"))
    try:
        server = Serve(bench.martlet, bench.place("signed"), smarthost=smarthost, trust=trust,
                       limits=dns(bench, names.nsd.address))
        try:
            yield server, published(server, names, keys(server, "generate", "example.org"))
        finally:
            server.stop()
    finally:
        names.stop()


class Verifiers:
    """dkimpy, OpenDKIM and Martlet itself, each with the records of all signers."""

    def __init__(self, bench, facts, others):
        self.bench, self.folder = bench, bench.place("signed-verifiers")
        self.records = {key["name"]: key["value"] for key in facts} | others
        self.zone = self.folder / "keys.zone"
        self.zone.write_text(zone(self.records))

    def verify(self, messages):
        """That every signature of the messages, by name, verifies, and that none does in a message with another line."""
        requests, wanted = [], []
        with opendkim.verifying(self.folder, self.records) as filter:
            for name, message in messages.items():
                kinds_of = signed_with(message)
                for good, text in ((True, message), (False, message + b"P.S.\r\n")):
                    words = f"{name}, {'as it came' if good else 'with a line more'}"
                    requests.append(asked(text, self, signatures=len(kinds_of)))
                    wanted.append((words, good))
                    ours = [result for result, _ in martlet_verifies(self.bench, self, text)]
                    check(ours == ["pass" if good else "fail"] * len(kinds_of), f"{words}: Martlet says {ours}")
                    theirs, said = opendkim.verdicts(filter, text)
                    passing = sum(kind in kinds() for kind in kinds_of) if good else 0
                    check(theirs.count(b"pass") == passing, f"{words}: OpenDKIM says {said}")
        for (words, good), found in zip(wanted, dkimpy(requests), strict=True):
            check(all((verdict is True) == good for verdict in found["verdicts"]), f"{words}: dkimpy says {found}")


def signed_with(message):
    """The kind of key of each signature."""
    return [re.search(rb"\ba=(\w+)-sha256", field)[1].decode() for field in SIGNATURE.findall(message)]


def verifies_at(bench, smarthost, trust, maildir, recipient, exactly=True):
    """Hands in each letter by DATA and by BDAT, and has those that the next hop got verified. Gives how many."""
    elder = Keys(bench.place("signed-elder"))
    others = {f"ed25519._domainkey.{ELSEWHERE}": elder.records["ed25519._domainkey.example.org"]}
    arrived = {}
    with signing(bench, smarthost, trust) as (server, facts):
        for way in ("DATA", "BDAT"):
            sent = letters(recipient)
            sent["an older signature"] = signed_elsewhere(letters(recipient)["dots"], elder.private["ed25519"])
            if way == "DATA":
                # It can't be said there.
                del sent["no last line end"]
            for letter in sent.values():
                hand_in(server, letter, way)
            for name, letter in sent.items():
                found, = maildir.wait(letter)
                message = found.bytes if exactly else re.sub(rb"\r?\n", b"\r\n", found.bytes)
                name = f"{name}, handed in by {way}"
                check(message.endswith(whole(letter)), f"{name}, changed on its way:\n"
                      + difference(*(octets.decode("utf-8", "replace") for octets in (whole(letter), message))))
                check_above(name, message, letter, facts)
                arrived[name] = message
        Verifiers(bench, facts, others).verify(arrived)
    return f"{len(arrived)} messages{left_out()}"


@case("what Martlet signs verifies at a Martlet that takes it by BDAT, whatever tempts to change it", GROUP,
      ids=(*IDS, "CHNK-005"))
def by_chunks(bench):
    folder = bench.place("signed-receiver")
    authority, (port,) = Authority(folder / "tls"), free_ports(1)
    peer = Receiver(bench.martlet, folder, ["127.0.0.1"], port, authority.issue("localhost"))
    try:
        with Wire(port) as wire:
            wire.expect(220)
            check("CHUNKING" in wire.ask("EHLO client.example.org", 250).keywords(), "CHUNKING is not offered there")
        return verifies_at(bench, smarthost_settings(bench, port, "starttls"), authority.ca, peer.maildir,
                           f"bob@clear.{OURS}")
    finally:
        peer.stop()


@case("what Martlet signs verifies at aiosmtpd, which takes it by DATA, whatever tempts to change it", GROUP,
      ids=(*IDS, "SMTP-008"))
def by_data(bench):
    peer = Smarthost(bench.place("signed-smarthost"), "implicit")
    try:
        said = verifies_at(bench, smarthost_settings(bench, peer.port, "implicit", peer.user, peer.password), peer.ca,
                           peer.maildir, "bob@example.net")
        seen = peer.seen()
        check("\nDATA" in seen and "\nBDAT" not in seen, "the next hop should have got it by DATA")
        check("\n..\n...\n....\n.. x\n" in seen, "the next hop should have got the dots doubled")
        return said
    finally:
        peer.stop()


@case("what Martlet signs verifies at Postfix, which takes it by BDAT, whatever tempts to change it", GROUP,
      ids=(*IDS, "CHNK-005"))
def by_postfix(bench):
    peer = Postfix(bench.place("signed-postfix"))
    try:
        # It keeps mail with the line ends of its system.
        said = verifies_at(bench, smarthost_settings(bench, peer.ports["starttls"], "starttls"), peer.ca, peer.maildir,
                           f"bob@{POSTFIX_DOMAIN}", exactly=False)
        check(re.search(r" bdat=\d", peer.log()) and not re.search(r" data=\d", peer.log()),
              f"Postfix should have got it by BDAT:\n{peer.log()}")
        return said
    finally:
        peer.stop()
