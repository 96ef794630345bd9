"""DKIM signatures, both ways with OpenDKIM, which runs as a filter beside a mail server: what one signs the other
verifies, and what was changed neither does."""

from harness import IN_CI, Missing, case, check
from peers import opendkim
from signatures import BODIES, DOMAIN, GROUP, HEADER, WAYS, Keys, changed, martlet_signs, martlet_verifies

START = "From: Joe <joe@example.org>\r\nDate: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
# Header sections with what canonicalization is about.
HEADERS = {
    "no white space": "From:Joe <joe@example.org>\r\nTo:sue@example.net\r\nSubject:x\r\n",
    "too much white space": "From: \t  Joe <joe@example.org> \t \r\nSubject:\t a \t\t b  \r\n",
    "letters": "FROM: Joe <joe@example.org>\r\ntO: sue@example.net\r\nsUBJECT: X: y: Z\r\n",
    "empty values": START + "Subject:\r\nTo: \r\nCc:\t\r\n",
    "folds": START + "To: sue@example.net,\r\n  jim@example.net ,\r\n\t\r\n\tann@example.net\r\n"
                     "Subject:\r\n folded\r\n \tagain\r\n",
    "a long line": START + f"Subject: {'x' * 900}\r\nReferences:{' <%060d@example.org>' * 13 % tuple(range(13))}\r\n",
    "eight bits": START + "To: Zoë <zoë@example.net>\r\nSubject: Grüße  aus Köln\r\n",
    "the same name again": START + "To: a@example.net\r\nReceived: from a by b; x\r\nto: b@example.net\r\n"
                           "Received: from c\r\n\tby d; y\r\nTo: c@example.net\r\nReply-To: d@example.net\r\n",
    "an older signature": "DKIM-Signature: v=1; a=rsa-sha256; d=elsewhere.example; s=x; h=from;\r\n"
                          "\tbh=eA==; b=eA==\r\n" + START,
}
MESSAGES = {name: (HEADER + body).encode() for name, body in BODIES.items()} | {
    name: f"{header}\r\n{BODIES['white space']}".encode() for name, header in HEADERS.items()}


KINDS = ("rsa", "ed25519")


def kinds():
    """The kinds of key that the OpenDKIM of this machine was built for."""
    return [kind for kind in KINDS if f"{kind}-sha256" in opendkim.algorithms()]


def left_out():
    """What a case adds to its figures where this OpenDKIM lacks a kind; in CI that is as if it were missing."""
    lacking = " and ".join(kind for kind in KINDS if kind not in kinds())
    if lacking and IN_CI:
        raise Missing(f"this OpenDKIM was built without {lacking}-sha256")
    return f"; NONE by {lacking}: this OpenDKIM was built without it" if lacking else ""


def as_hashed(field):
    """OpenDKIM 2.11 folds a field in front of `b=` where the signature behind it makes the line too long, after it has
    hashed the field without. A simple header may not be folded anew (RFC 6376 §3.4.1): neither OpenDKIM itself nor
    anybody else verifies that. Here is the field as it was hashed."""
    return field.replace(b";\r\n\tb=", b"; b=")


@case("OpenDKIM verifies what Martlet signs, of every kind of header and body, and nothing that was changed", GROUP,
      ids=("DKIM-001", "DKIM-003", "DKIM-004", "DKIM-007"))
def martlet_to_opendkim(bench):
    folder = bench.place("opendkim-out")
    keys, count = Keys(folder), 0
    with opendkim.verifying(folder, keys.records) as filter:
        for name, message in MESSAGES.items():
            for kind in kinds():
                signed = martlet_signs(bench, keys, kind, message)
                for text, result in [(signed, b"pass"), *((other, b"fail") for other in changed(signed))]:
                    found, said = opendkim.verdicts(filter, text)
                    check(found[:1] == [result], f"{name}, {kind}: {found}, not {result}: {said}")
                    count += 1
    return f"{count} messages{left_out()}"


@case("Martlet verifies what OpenDKIM signs, in every canonicalization, and nothing that was changed", GROUP,
      ids=("DKIM-001", "DKIM-003", "DKIM-004", "DKIM-009"))
def opendkim_to_martlet(bench):
    folder = bench.place("opendkim-in")
    keys, count = Keys(folder), 0
    misfolded = 0
    for kind, header_way, body_way in [(kind, header, body) for kind in kinds() for header in WAYS for body in WAYS]:
        with opendkim.signing(folder, DOMAIN, kind, keys.files[kind], header_way, body_way) as filter:
            fields = {name: opendkim.signature(filter, message) for name, message in MESSAGES.items()}
        with opendkim.verifying(folder, keys.records) as filter:
            theirs = {name: opendkim.verdicts(filter, fields[name] + message)[0] for name, message in MESSAGES.items()}
        for name, message in MESSAGES.items():
            words = f"{name}, {kind}, {header_way}/{body_way}"
            if header_way == "simple" and kind == "ed25519" and theirs[name][:1] == [b"fail"]:
                found = martlet_verifies(bench, keys, fields[name] + message)
                check(found[0][0] == "fail", f"{words}, which OpenDKIM itself does not verify: {found}")
                fields[name] = as_hashed(fields[name])
                misfolded += 1
            found = martlet_verifies(bench, keys, fields[name] + message)
            check(found[0][0] == "pass", f"{words}: {found}\n{fields[name].decode()}")
            for other in changed(fields[name] + message):
                found = martlet_verifies(bench, keys, other)
                check(found[0][0] == "fail", f"{words}, changed: {found}")
            count += 1
    return f"{count} messages, of which {misfolded} were folded after they had been hashed{left_out()}"
