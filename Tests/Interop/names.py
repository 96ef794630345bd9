"""The DNS: a real name server with zones of every shape, looked at through `martlet dns`, and the proof that the
server's resolver validates."""

import json
import time

from harness import ARRIVAL_SECONDS, case, check, run
from peers.nsd import Nsd, UDPAnswerer, answer_with
from reloads import change, hang_up
from serve import Serve

GROUP = "dns"

SHAPES = """
many IN MX 20 mx3
many IN MX 10 mx2
many IN MX 10 mx1
brief 5 IN MX 10 mx1
mx1 IN A 192.0.2.1
mx1 IN A 192.0.2.2
mx1 IN AAAA 2001:db8::1
mx2 IN A 192.0.2.3
mx3 IN AAAA 2001:db8::3
alias IN CNAME alias2
alias2 IN CNAME many
loop IN CNAME loop2
loop2 IN CNAME loop
dangling IN CNAME nothing
onlyv4 IN A 192.0.2.4
onlyv6 IN AAAA 2001:db8::6
null IN MX 0 .
indirect IN MX 10 mxalias
mxalias IN CNAME mx1
odd IN MX 10 bad\\032name
odd IN MX 20 192.0.2.9.
words IN TXT "v=spf1 ip4:192.0.2.0/24" " -all"
xn--bcher-kva IN MX 10 mx1
"""
SIGNED = """
@ IN MX 10 mail
mail IN A 192.0.2.10
inside IN CNAME mail
outside IN CNAME onlyv4.shapes.test.
toexpired IN CNAME mail.expired.test.
"""
MAIL = """
@ IN MX 10 mail
mail IN A 192.0.2.66
"""


class Zones:
    """The name server of all cases, with the trust anchors of its signed zones in one file."""

    def __init__(self, folder):
        self.nsd = Nsd(folder, {
            "shapes.test": SHAPES, "signed.test": SIGNED, "expired.test": MAIL, "broken.test": MAIL,
            "stripped.test": MAIL, "unloaded.test": None})
        signed = self.nsd.sign("signed.test")
        expired = self.nsd.sign("expired.test", "-i", "20200101000000", "-e", "20200201000000")
        broken = self.nsd.sign("broken.test")
        file = self.nsd.file("broken.test")
        file.write_text(file.read_text().replace("192.0.2.66", "192.0.2.67"))
        unsigned = self.nsd.file("stripped.test").read_text()
        stripped = self.nsd.sign("stripped.test")
        self.nsd.file("stripped.test").write_text(unsigned)
        self.anchors = folder / "anchors"
        # One as a DS record, the others as keys.
        self.anchors.write_text(signed[0].read_text() + expired[1].read_text() + broken[1].read_text()
                                + stripped[1].read_text())
        self.nsd.start()
        self.stop = self.nsd.stop


def zones(bench):
    return bench.once("nsd", lambda: Zones(bench.place("nsd")))


def look_up(bench, name, kind="mx", code=0, server=None, anchors=True, options=()):
    """What `martlet dns --json` says of a name."""
    served = zones(bench)
    command = [bench.martlet, "dns", name, "--type", kind, "--server", server or served.nsd.address, "--json", *options]
    ended, output = run(command + (["--trust-anchors", served.anchors] if anchors else []))
    check(ended == code, f"martlet dns {name} {kind} should end with {code}, not {ended}: {output}")
    return json.loads(output)


def exchangers(answer):
    return [(record["preference"], record["exchange"]) for record in answer["records"]]


def strings(answer):
    return answer["records"]


@case("MX records come with their preferences, equal ones both, and the TTL of the answer", GROUP, ["SMTP-048"])
def preferences(bench):
    answer = look_up(bench, "many.shapes.test")
    check(exchangers(answer) == [(10, "mx1.shapes.test"), (10, "mx2.shapes.test"), (20, "mx3.shapes.test")], answer)
    check(answer["security"] == "insecure", f"the zone isn't signed: {answer}")
    check(answer["timeToLiveSeconds"] == 300, answer)
    check(look_up(bench, "brief.shapes.test")["timeToLiveSeconds"] == 5, "the TTL should be the record's")


@case("a CNAME is followed, a chain too, and the canonical name is told; one that leads in a circle fails", GROUP,
      ["SMTP-048"])
def aliases(bench):
    answer = look_up(bench, "alias.shapes.test")
    check(len(answer["records"]) == 3 and answer["canonicalName"] == "many.shapes.test", answer)
    answer = look_up(bench, "dangling.shapes.test", code=68)
    check(answer["answer"] == "no-such-name", answer)
    look_up(bench, "loop.shapes.test", code=75)


@case("a name without MX, a null MX, no such name: each is told from the others", GROUP, ["SMTP-048"])
def absences(bench):
    for name, kind, address in (("onlyv4", "a", "192.0.2.4"), ("onlyv6", "aaaa", "2001:db8::6")):
        check(look_up(bench, f"{name}.shapes.test", code=68)["answer"] == "none", f"{name} has no MX")
        check(strings(look_up(bench, f"{name}.shapes.test", kind)) == [address], f"{name} has {address}")
    check(exchangers(look_up(bench, "null.shapes.test")) == [(0, ".")], "the null MX should be told as it is")
    check(look_up(bench, "nobody.shapes.test", code=68)["answer"] == "no-such-name", "the name isn't there")


@case("every address in both families is found, behind an MX that names an alias too", GROUP, ["SMTP-048"])
def hosts(bench):
    check(strings(look_up(bench, "mx1.shapes.test", "a")) == ["192.0.2.1", "192.0.2.2"], "two of IPv4")
    check(strings(look_up(bench, "mx1.shapes.test", "aaaa")) == ["2001:db8::1"], "one of IPv6")
    check(exchangers(look_up(bench, "indirect.shapes.test")) == [(10, "mxalias.shapes.test")], "the MX as it is")
    answer = look_up(bench, "mxalias.shapes.test", "a")
    check(answer["canonicalName"] == "mx1.shapes.test" and len(answer["records"]) == 2, answer)


@case("an MX whose name no host can have is told as it stands; strings of a TXT record are one", GROUP)
def odd(bench):
    check(exchangers(look_up(bench, "odd.shapes.test")) == [(10, "bad\\032name.shapes.test"), (20, "192.0.2.9")],
          "both should be told")
    check(strings(look_up(bench, "words.shapes.test", "txt")) == ["v=spf1 ip4:192.0.2.0/24 -all"], "one text")


@case("a name outside ASCII is asked for by its A-label", GROUP)
def international(bench):
    check(exchangers(look_up(bench, "bücher.shapes.test")) == [(10, "mx1.shapes.test")], "it should be found")


@case("answers of a signed zone are proven, that there is none as well; without its anchor they aren't", GROUP,
      ["DANE-001"])
def secure(bench):
    for name, kind, code in (("signed.test", "mx", 0), ("mail.signed.test", "a", 0), ("mail.signed.test", "mx", 68),
                             ("nobody.signed.test", "mx", 68)):
        check(look_up(bench, name, kind, code)["security"] == "secure", f"{name} {kind} should be proven")
    # DANE-002: nsd sets the AA bit, and an AD bit would be believed no more. What isn't proven here is insecure.
    root = bench.place("anchors") / "root"
    root.write_text("elsewhere.test. IN DS 20326 8 2 "
                    "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
    answer = look_up(bench, "signed.test", anchors=False, options=["--trust-anchors", root])
    check(answer["security"] == "insecure", answer)


@case("a chain of CNAMEs is as weak as its weakest link", GROUP, ["DANE-005"])
def chains(bench):
    check(look_up(bench, "inside.signed.test", "a")["security"] == "secure", "both links are signed")
    answer = look_up(bench, "outside.signed.test", "a")
    check(answer["security"] == "insecure" and answer["canonicalName"] == "onlyv4.shapes.test", answer)
    check(look_up(bench, "toexpired.signed.test", "a", 65)["answer"] == "bogus", "an error fails the chain")


@case("expired, broken and missing signatures are bogus, and the reason is told", GROUP, ["DANE-001"])
def bogus(bench):
    for name, words in (("mail.expired.test", "expired"), ("mail.broken.test", "signature"),
                        ("mail.stripped.test", "dnskey")):
        answer = look_up(bench, name, "a", 65)
        check(answer["answer"] == "bogus" and words in answer["reason"].lower(), f"{words}: {answer}")
        check("records" not in answer, f"no record of a bogus answer may be shown: {answer}")


@case("SERVFAIL, a refusal and silence are no answer, within the time that was given", GROUP, ["SMTP-048"])
def failures(bench):
    for name in ("unloaded.test", "elsewhere.example"):
        check(look_up(bench, name, code=75)["answer"] == "failed", f"{name} should fail")
    silent = UDPAnswerer(lambda question: None)
    try:
        started = time.monotonic()
        answer = look_up(bench, "many.shapes.test", code=75, server=silent.address, options=["--timeout", "2"])
        took = time.monotonic() - started
        check("no answer within 2s" in answer["reason"], answer)
        check(2 <= took < 8 and silent.asked, f"it took {took:.1f} s")
    finally:
        silent.stop()


@case("MX data of one octet, and an address of three, are no answer", GROUP)
def malformed(bench):
    for kind, data in (("mx", b"\0"), ("mx", b"\0\x0a\x03ab"), ("a", b"\xc0\0\2"), ("txt", b"\5ab")):
        peer = UDPAnswerer(answer_with(data))
        try:
            answer = look_up(bench, "x.shapes.test", kind, 75, peer.address, options=["--timeout", "3"])
            check(answer["answer"] == "failed" and peer.asked, f"{kind} {data!r}: {answer}")
        finally:
            peer.stop()


def section(served, anchors=None, secure="signed.test", bogus="mail.broken.test"):
    return "\n".join([
        "dns:", f"  servers: {served.nsd.address}", f"  trust_anchors: {anchors or served.anchors}", "  probe:",
        f"    secure: [{secure}]", f"    bogus: [{bogus}]"])


def wait_for(server, *words):
    """The line of the log that has all the words."""
    until = time.monotonic() + ARRIVAL_SECONDS
    while True:
        for line in server.background.output().splitlines():
            if all(word in line for word in words):
                return line
        check(time.monotonic() < until, f"the log should say {words}:\n{server.log()}")
        time.sleep(0.05)


def checked(bench, server):
    code, output = run([bench.martlet, "check", "--config", server.config])
    check(code == 0, f"the server could start, so check should end with 0: {output}")
    return output


@case("serve says that its resolver validates, and after a reload what is wrong where it doesn't any more", GROUP,
      ["DANE-001", "DANE-002"])
def proof(bench):
    served = zones(bench)
    server = Serve(bench.martlet, bench.place("proof"), limits=section(served))
    try:
        wait_for(server, "server.dnssec-proven")
        check("does not validate" not in checked(bench, server), "check should find nothing")
        check("dnssec-not-validating" not in server.log(), f"there should be no alarm:\n{server.log()}")

        change(server, ("secure: [signed.test]", "secure: [mail.stripped.test]"))
        line = hang_up(server, ["server.alarm", "what=dnssec-not-validating"])
        check("without signatures" in line and "remedy=" in line, line)
        check("without signatures" in checked(bench, server), "check should say so too")

        change(server, ("secure: [mail.stripped.test]", "secure: [many.shapes.test]"))
        line = hang_up(server, ["server.alarm", "what=dnssec-not-validating"])
        check("is not proven" in line, line)

        change(server, ("secure: [many.shapes.test]", "secure: [signed.test]"), ("[mail.broken.test]", "[ns.shapes.test]"))
        line = hang_up(server, ["server.alarm", "what=dnssec-not-validating"])
        check("ns.shapes.test" in line, line)

        change(server, ("[ns.shapes.test]", "[mail.expired.test]"))
        hang_up(server, ["server.dnssec-proven"])
        check(server.background.process.poll() is None, "the server should still run")
    finally:
        server.stop()


@case("anchors of the root's old key alone are named as what they are, by check and by serve", GROUP, ["DANE-001"])
def old_root_key(bench):
    served = zones(bench)
    folder = bench.place("old-key")
    anchors = folder / "root.key"
    # The root is not served here: below such an anchor nothing can be proven, as below a key that signs no more.
    anchors.write_text(". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n")
    server = Serve(bench.martlet, folder, limits=section(served, anchors))
    try:
        line = wait_for(server, "server.alarm", "what=dnssec-not-validating")
        check("20326" in line and "38696" in line and "trust_anchors" in line, line)
        output = checked(bench, server)
        check(output.count("38696") == 1 and "warning" in output, output)
        # Mail is accepted all the same.
        check(server.background.process.poll() is None, "the server should run")
    finally:
        server.stop()
