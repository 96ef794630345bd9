"""TLSA records in a real name server's zones, signed in the test: what a delivery would find, looked at through
`martlet dns --type dane`."""

import json

from harness import case, check, run
from peers.nsd import Nsd, UDPAnswerer, answer_with

GROUP = "dane"

RIGHT = "11" * 32
OTHER = "22" * 32
STRONG = "33" * 64

SIGNED = f"""
mx IN A 192.0.2.10
_25._tcp.mx IN TLSA 3 1 1 {RIGHT}
plain IN A 192.0.2.11
noaddress IN TXT "nothing"
_25._tcp.noaddress IN TLSA 3 1 1 {RIGHT}
inside IN CNAME mx
_25._tcp.inside IN TLSA 3 1 1 {OTHER}
own IN CNAME plain
_25._tcp.own IN TLSA 3 1 1 {OTHER}
first IN CNAME second
second IN CNAME plain
_25._tcp.second IN TLSA 3 1 1 {OTHER}
third IN CNAME fourth
_25._tcp.third IN TLSA 3 1 1 {RIGHT}
fourth IN CNAME plain
_25._tcp.fourth IN TLSA 3 1 1 {OTHER}
outward IN CNAME mx.unsigned.test.
_25._tcp.outward IN TLSA 3 1 1 {RIGHT}
bare IN CNAME mx.unsigned.test.
toexpired IN CNAME mx.expired.test.
shared IN A 192.0.2.12
_25._tcp.shared IN CNAME tlsa
tlsa IN TLSA 2 1 1 {RIGHT}
loose IN A 192.0.2.13
_25._tcp.loose IN CNAME _25._tcp.mx.unsigned.test.
lame IN A 192.0.2.14
_25._tcp.lame IN CNAME tlsa.unloaded.test.
stale IN A 192.0.2.15
_25._tcp.stale IN CNAME _25._tcp.mx.expired.test.
many IN A 192.0.2.16
_25._tcp.many IN TLSA 3 1 1 {RIGHT}
_25._tcp.many IN TLSA 3 1 2 {STRONG}
_25._tcp.many IN TLSA 2 0 1 {OTHER}
unusable IN A 192.0.2.17
_25._tcp.unusable IN TLSA 1 1 1 {RIGHT}
_25._tcp.unusable IN TLSA 3 1 1 abcd
_25._tcp.unusable IN TLSA 3 2 1 {RIGHT}
""" + "".join(f"_25._tcp.crowd IN TLSA 3 1 1 {number:064x}\n" for number in range(400)) + "crowd IN A 192.0.2.18\n"
UNSIGNED = f"""
mx IN A 192.0.2.20
_25._tcp.mx IN TLSA 3 1 1 {OTHER}
inward IN CNAME mx.signed.test.
_25._tcp.inward IN TLSA 3 1 1 {OTHER}
"""
MAIL = f"""
mx IN A 192.0.2.30
_25._tcp.mx IN TLSA 3 1 1 {RIGHT}
"""


class Zones:
    """The name server of all cases, with the trust anchors of its signed zones in one file."""

    def __init__(self, folder):
        self.nsd = Nsd(folder, {
            "signed.test": SIGNED, "unsigned.test": UNSIGNED, "expired.test": MAIL, "altered.test": MAIL,
            "unloaded.test": None})
        keys = [
            self.nsd.sign("signed.test"),
            self.nsd.sign("expired.test", "-i", "20200101000000", "-e", "20200201000000"),
            self.nsd.sign("altered.test"),
        ]
        # The address stays proven: only what the TLSA record says is no longer what was signed.
        file = self.nsd.file("altered.test")
        text = file.read_text()
        check(RIGHT in text.lower(), "the signed zone should have the record")
        file.write_text(text.replace(RIGHT, OTHER))
        self.anchors = folder / "anchors"
        self.anchors.write_text("".join(key[0].read_text() for key in keys))
        self.nsd.start()
        self.stop = self.nsd.stop


def zones(bench):
    return bench.once("nsd-dane", lambda: Zones(bench.place("nsd-dane")))


def find(bench, name, code=0, kind="dane"):
    """What `martlet dns --json` says of a name."""
    served = zones(bench)
    ended, output = run([bench.martlet, "dns", name, "--type", kind, "--server", served.nsd.address,
                         "--trust-anchors", served.anchors, "--json"])
    check(ended == code, f"martlet dns {name} {kind} should end with {code}, not {ended}: {output}")
    return json.loads(output)


def published(bench, host, base, *records):
    answer = find(bench, host)
    check(answer["answer"] == "records" and answer["base"] == base, f"{host}'s records stand at {base}: {answer}")
    found = [record["record"].lower() for record in answer["records"]]
    check(found == list(records), f"{host}: {answer}")


def absent(bench, host, words=None):
    answer = find(bench, host, 68)
    check(answer["answer"] == "none" and "records" not in answer, answer)
    check((words or "") in answer.get("reason", "") and ("reason" in answer) == (words is not None), answer)


def failed(bench, host, words):
    answer = find(bench, host, 75)
    check(answer["answer"] == "failed" and words in answer["reason"], answer)


@case("TLSA records of a signed host are found, proven, and an alias of theirs changes nothing of the base", GROUP,
      ["DANE-006", "DANE-009"])
def secure(bench):
    published(bench, "mx.signed.test", "mx.signed.test", f"3 1 1 {RIGHT}")
    published(bench, "shared.signed.test", "shared.signed.test", f"2 1 1 {RIGHT}")
    answer = find(bench, "_25._tcp.mx.signed.test", kind="tlsa")
    check(answer["security"] == "secure" and len(answer["records"]) == 1, answer)
    check(find(bench, "_25._tcp.mx.unsigned.test", kind="tlsa")["security"] == "insecure", "that zone isn't signed")


@case("a signed host without TLSA records has none, and one whose records aren't proven has none either", GROUP,
      ["DANE-005", "DANE-011"])
def none(bench):
    absent(bench, "plain.signed.test")
    absent(bench, "loose.signed.test")
    check(find(bench, "_25._tcp.plain.signed.test", 68, "tlsa")["answer"] == "no-such-name", "it isn't there")


@case("of a host that isn't signed, of none, and of one without address no TLSA records are sought", GROUP,
      ["DANE-008"])
def unsought(bench):
    absent(bench, "mx.unsigned.test", "aren't proven")
    absent(bench, "nobody.signed.test", "no address")
    absent(bench, "noaddress.signed.test", "no address")


@case("an unsigned host's name server is not asked for TLSA records, which it may never answer", GROUP, ["DANE-008"])
def spared(bench):
    types = []
    respond = answer_with(b"\xc0\0\2\1")

    def answer(question):
        end = 12
        while question[end]:
            end += question[end] + 1
        kind = int.from_bytes(question[end + 1:end + 3], "big")
        types.append(kind)
        if kind == 1:
            return respond(question)
        # NODATA of IPv6 addresses; silence to all else.
        return question[:2] + b"\x85\x80" + b"\0\1\0\0\0\0\0\0" + question[12:end + 5] if kind == 28 else None

    peer = UDPAnswerer(answer)
    try:
        ended, output = run([bench.martlet, "dns", "mx.somewhere.test", "--type", "dane", "--server", peer.address,
                             "--trust-anchors", zones(bench).anchors, "--timeout", "5", "--json"])
        check(ended == 68 and "aren't proven" in json.loads(output)["reason"], output)
        check(1 in types and 52 not in types, f"asked for the types {types}")
    finally:
        peer.stop()


@case("the end of a proven chain of aliases has the records, else the host's own name, never a name in between", GROUP,
      ["DANE-010"])
def chains(bench):
    published(bench, "inside.signed.test", "mx.signed.test", f"3 1 1 {RIGHT}")
    published(bench, "own.signed.test", "own.signed.test", f"3 1 1 {OTHER}")
    absent(bench, "first.signed.test")
    published(bench, "third.signed.test", "third.signed.test", f"3 1 1 {RIGHT}")


@case("a chain that leaves the signed zone is as good as its first step, and one that enters it late is none", GROUP,
      ["DANE-005", "DANE-010"])
def weak_chains(bench):
    published(bench, "outward.signed.test", "outward.signed.test", f"3 1 1 {RIGHT}")
    absent(bench, "bare.signed.test")
    absent(bench, "inward.unsigned.test", "neither")
    answer = find(bench, "outward.signed.test", kind="cname")
    check(answer["security"] == "secure" and answer["records"] == ["mx.unsigned.test"], answer)
    check(find(bench, "inward.unsigned.test", kind="cname")["security"] == "insecure", "that step isn't signed")


@case("TLSA records that are bogus, expired or can't be had fail, and are never taken for none", GROUP,
      ["DANE-001", "DANE-004"])
def failures(bench):
    check(find(bench, "mx.altered.test", kind="a")["security"] == "secure", "the address is proven")
    failed(bench, "mx.altered.test", "_25._tcp.mx.altered.test")
    failed(bench, "stale.signed.test", "_25._tcp.stale.signed.test")
    failed(bench, "lame.signed.test", "_25._tcp.lame.signed.test")


@case("a host whose addresses are bogus, or can't be had, fails as a whole", GROUP, ["DANE-003", "DANE-005"])
def lost_hosts(bench):
    for host in ("mx.expired.test", "toexpired.signed.test", "mx.unloaded.test"):
        failed(bench, host, "its addresses can't be had")


@case("of each record is said why it doesn't count: usage, selector, length, or a stronger digest beside it", GROUP,
      ["DANE-014", "DANE-019", "DANE-020"])
def unusable(bench):
    answer = find(bench, "unusable.signed.test")
    check(len(answer["records"]) == 3 and all("fault" in record for record in answer["records"]), answer)
    faults = {record["record"][:5]: record.get("fault", "") for record in find(bench, "many.signed.test")["records"]}
    check(faults.keys() == {"3 1 1", "3 1 2", "2 0 1"}, faults)
    check("stronger" in faults["3 1 1"] and not faults["3 1 2"] and not faults["2 0 1"], faults)


@case("hundreds of records in one answer are proven, and cut to what the bound says", GROUP, ["DANE-019"])
def crowd(bench):
    answer = find(bench, "crowd.signed.test")
    check(answer["security"] == "secure" and len(answer["records"]) == 256, f"{len(answer['records'])} records")


@case("TLSA data of 1 octet to 35 is a record, and one of no use says so; of 0 octets it is no answer", GROUP, ["DANE-019"])
def malformed(bench):
    for length in range(36):
        peer = UDPAnswerer(answer_with(bytes([3, 1, 1] + [7] * 32)[:length]))
        try:
            ended, output = run([bench.martlet, "dns", "_25._tcp.x.test", "--type", "tlsa", "--server", peer.address,
                                 "--trust-anchors", zones(bench).anchors, "--timeout", "5", "--json"])
            # libunbound takes no answer with an empty record: that is a failure, and so never none.
            check(ended == (75 if length == 0 else 0), f"{length} octets: {output}")
            if length == 0:
                continue
            record, = json.loads(output)["records"]
            check(("fault" in record) == (length < 35), record)
        finally:
            peer.stop()


MX = b"\0\x0a\3mx1\7example\0"
TXT = b"\x09v=STSv1; \0\x0cid=20261122;"


@case("MX and TXT data that ends early, anywhere, is no answer, and what has whole strings is read", GROUP, ["STS-003"])
def cut_off(bench):
    for kind, data, whole in (("mx", MX, {len(MX)}), ("txt", TXT, {10, 11, len(TXT)})):
        for length in range(len(data) + 1):
            peer = UDPAnswerer(answer_with(data[:length]))
            try:
                ended, output = run([bench.martlet, "dns", "x.test", "--type", kind, "--server", peer.address,
                                     "--trust-anchors", zones(bench).anchors, "--timeout", "5", "--json"])
                answer = json.loads(output)
                check(ended == (0 if length in whole else 75), f"{kind} of {length} octets: {output}")
                check((answer["answer"] == "records") == (length in whole), f"{kind} of {length} octets: {output}")
            finally:
                peer.stop()
