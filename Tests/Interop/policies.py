"""The transport policy proven by other people's software: Postfix, unbound, posttls-finger and nsd's signed zones; and
attackers on the way, who never hear an envelope."""

import json
import smtplib
import time

from harness import ARRIVAL_SECONDS, Letter, case, check, run_client
from peers.relay_peer import OURS
from peers.signed_world import ATTACKERS, SIGNED, signed_world

GROUP = "policy"


class Sent:
    """A letter of alice's in Martlet's hands, for bob at one domain."""

    def __init__(self, bench, name, options=(), user=None, **given):
        self.world, self.name = signed_world(bench), name
        self.martlet = self.world.martlet
        known = self.world.domains.get(name)
        self.mail = known.mail if known else name
        # No two letters of a run have the same recipient.
        self.letter = Letter(sender="alice@example.org", to=[], **given)
        self.recipient = f"{user or 'bob+' + self.letter.token}@{self.mail}"
        self.letter.to.append(self.recipient)
        self.martlet.hand_in(self.letter, options)

    def delivered(self, host=None):
        """The event; the message is whole at Postfix, which met it at the host of the domain `host`."""
        event = self.martlet.event("recipient.delivered", self.recipient)
        found, = self.world.postfix.maildir.wait(self.letter)
        check(found.text.endswith(self.letter.text), "the message changed on its way")
        there = self.world.domains[host or self.name].host
        check(there in event["host"], f"the host should be {there}: {event}")
        return event

    def waits(self, *asked, reason="insecure", status="4.7.", by_floor=False):
        """The event; nobody heard an envelope, the queue keeps the letter and tells why and what to do. With `by_floor`
        less would be asked without the operator's floor."""
        event = self.martlet.event("recipient.deferred", self.recipient)
        check(event["reason"] == reason and event["status"].startswith(status), f"{status}, {reason}: {event}")
        said = f"{event['result']} {event.get('asked-by', '')} {event.get('dane', '')}"
        for words in asked:
            check(words in said, f"{words!r} should be said: {event}")
        shown = run_client([self.world.bench.martlet, "queue", "show", event["id"], "--config", self.martlet.config])
        check(self.recipient in shown and "asked by" in shown, f"queue show should say who asks for what:\n{shown}")
        standing = json.loads(run_client([self.world.bench.martlet, "queue", "status", "--config", self.martlet.config,
                                          "--json"]))
        alarms = [alarm for alarm in standing["alarms"] if alarm.get("route") == f"mx/{self.mail}"]
        check(len(alarms) == (reason == "insecure"), f"one alarm where mail waits for safety: {standing}")
        for alarm in alarms:
            check("have the other side mend it: " in alarm["text"], f"the alarm should say how: {alarm}")
            check(("lower the domain's floor" in alarm["text"]) == by_floor, f"the floor should help or not: {alarm}")
        check(not self.world.postfix.maildir.holding(self.letter.token), "the message was handed over")
        check(self.letter.token not in self.world.postfix_log(), "Postfix heard of the recipient")
        if self.name in self.world.addresses:
            self.world.hears_no_envelope(self.name)
        return event, shown


def by_dane(event, record="3 1 1"):
    check(event["policy"] == "authenticate dane" and event["dane"].startswith(f"matched {record} "), event)
    check(event["tls"].startswith("TLSv1.3") and " dane" in event["tls"], f"TLS 1.3, proven by DANE: {event}")


def encrypted(event):
    check(event["tls"].startswith("TLSv1.3") and "unverified" in event["tls"], f"TLS that proves nothing: {event}")


def fingers(bench, name, words):
    """posttls-finger's word on the same host."""
    said = signed_world(bench).finger(signed_world(bench).domains[name].mail)
    check(words in said, f"posttls-finger should say {words!r}:\n{said}")


VERIFIED, UNVERIFIED = "Verified TLS connection established", "Untrusted TLS connection established"


# Postfix behind TLSA records

@case("Postfix gets its mail by the TLSA record of its self-signed key; event, queue show and posttls-finger say so",
      GROUP, ids=("DANE-006", "DANE-009", "DANE-013", "DANE-015", "DANE-021"))
def good(bench):
    sent = Sent(bench, "good")
    event = sent.delivered()
    by_dane(event)
    check("proven from the MX record on" in event["asked-by"], event)
    shown = run_client([bench.martlet, "queue", "show", event["id"], "--config", sent.martlet.config])
    check("DANE" in shown and "matched 3 1 1" in shown and "authenticate dane" in shown, shown)
    fingers(bench, "good", VERIFIED)


@case("mail waits where the TLSA record is of another key: Postfix hears no envelope, and the remedy is told", GROUP,
      ids=("DANE-013", "DANE-027"))
def other(bench):
    _, shown = Sent(bench, "other").waits("TLSA")
    said = " ".join(shown.split())
    check("doesn't fit the certificate (its key would be 3 1 1" in said, f"queue show should say what failed:\n{shown}")
    fingers(bench, "other", UNVERIFIED)


@case("a rollover's two records do: that of the key to come hinders nothing", GROUP, ids=("DANE-028",))
def rolled(bench):
    by_dane(Sent(bench, "rolled").delivered())
    fingers(bench, "rolled", VERIFIED)


@case("a right SHA-256 beside a wrong SHA-512 is not asked: the mail waits, as posttls-finger would have it", GROUP,
      ids=("DANE-020",))
def agile(bench):
    Sent(bench, "agile").waits("TLSA")
    fingers(bench, "agile", UNVERIFIED)


@case("an authority of the domain's own vouches by TLSA 2 0 1 for the host's name, or for the domain's", GROUP,
      ids=("DANE-016", "DANE-017"))
def root(bench):
    for name in ("root", "root-domain"):
        by_dane(Sent(bench, name).delivered(), "2 0 1")
        fingers(bench, name, VERIFIED)


@case("mail waits where the authority of TLSA 2 0 1 isn't sent, or its certificate is for another name or expired",
      GROUP, ids=("DANE-016", "DANE-017"))
def root_fails(bench):
    for name in ("root-missing", "root-elsewhere", "root-expired"):
        Sent(bench, name).waits("TLSA")
        fingers(bench, name, UNVERIFIED)


@case("under TLSA 3 1 1 a certificate does that is expired and for another name", GROUP, ids=("DANE-015",))
def expired(bench):
    by_dane(Sent(bench, "expired").delivered())
    fingers(bench, "expired", VERIFIED)


@case("mail waits where TLSA records can't be had, are bogus, or the MX record is: nobody is connected to", GROUP,
      ids=("DANE-001", "DANE-003", "DANE-004", "DANE-005"))
def lost(bench):
    world, names = signed_world(bench), ("lost", "bogus", "forged", "stale")
    before = {name: len(world.heard_by_postfix(name)) for name in names}
    for name in names[:-1]:
        event, _ = Sent(bench, name).waits("TLSA")
        check(event["policy"] == "try-later", event)
    sent = Sent(bench, "stale")
    event = sent.martlet.event("recipient.deferred", sent.recipient)
    check("DNSSEC" in event["result"] or "bogus" in event["result"].lower(), event)
    for name in names:
        lines = [line for line in world.heard_by_postfix(name)[before[name]:] if "ehlo" in line.lower()]
        check(not lines, f"{name} was spoken to: {lines}")
    fingers(bench, "lost", "TLSA lookup error")


@case("a host whose TLSA records can't be had, or match not, is passed over, and the next one gets the mail", GROUP,
      ids=("DANE-003", "DANE-004", "DANE-006", "DANE-013"))
def next_host(bench):
    for name, passed in (("second", ["lost"]), ("third", ["other", "bogus"])):
        event = Sent(bench, name).delivered("good")
        by_dane(event)
        check(int(event["attempt"]) == 1, event)
        for other_host in passed:
            signed_world(bench).hears_no_envelope(other_host)


@case("a signed host without TLSA records is as any: TLS that proves nothing, or cleartext where there is none", GROUP,
      ids=("DANE-011",))
def absent(bench):
    for name in ("absent", "nodata"):
        event = Sent(bench, name).delivered()
        check(event["policy"] == "opportunistic", event)
        encrypted(event)
    event = Sent(bench, "plain").delivered()
    check(event["tls"].startswith("none (STARTTLS is not offered"), event)


@case("mail waits where usable TLSA records stand and Postfix has no TLS", GROUP, ids=("DANE-013",))
def promised(bench):
    Sent(bench, "promised").waits("STARTTLS")


@case("TLSA records of no use ask for TLS alone: a self-signed key will do, and mail waits where there is none", GROUP,
      ids=("DANE-012", "DANE-014", "DANE-019"))
def useless(bench):
    event = Sent(bench, "useless").delivered()
    check(event["policy"] == "encrypt", event)
    encrypted(event)
    Sent(bench, "useless-plain").waits("STARTTLS", "none that can be used")


@case("an unsigned zone's TLSA records count for nothing, right or wrong", GROUP, ids=("DANE-008", "DANE-011"))
def unsigned(bench):
    event = Sent(bench, "unsigned").delivered()
    check(event["policy"] == "opportunistic" and "dane" not in event, event)
    encrypted(event)


@case("behind an unsigned MX record a TLSA record of another key keeps the mail back, and a right one is told as what "
      "it is", GROUP, ids=("DANE-007", "DANE-013"))
def half(bench):
    event = Sent(bench, "half").delivered()
    by_dane(event)
    check("though the MX record isn't proven" in event["asked-by"], event)
    Sent(bench, "half-other").waits("though the MX record isn't proven")


# Floors and overrides

@case("the floor `dane` is met by DANE from the MX record on alone, and `verified` by it too", GROUP,
      ids=("DANE-007", "DANE-026"))
def floors(bench):
    by_dane(Sent(bench, "mandatory-good").delivered())
    by_dane(Sent(bench, "verified").delivered())
    Sent(bench, "mandatory").waits("no usable TLSA record", "the floor is dane", by_floor=True)
    Sent(bench, "mandatory-open").waits("MX record isn't proven", by_floor=True)


def policy(sent, *words):
    return run_client([sent.world.bench.martlet, "policy", "override", *words, "--config", sent.martlet.config])


def add(sent, floor):
    """The number of an override."""
    said = json.loads(policy(sent, "add", sent.mail, "--floor", floor, "--until", "1h", "--why", "their key was lost",
                             "--json"))
    check(said["floor"] == floor and said["domain"] == sent.mail, said)
    return str(said["number"])


@case("an override lets waiting mail go at the next attempt, and ended it holds back what comes", GROUP)
def weaker(bench):
    sent = Sent(bench, "overridden")
    sent.waits("no usable TLSA record", by_floor=True)
    number = add(sent, "opportunistic")
    check(sent.mail in policy(sent, "list"), "the override should be listed")
    # Waiting mail that an override reaches is tried at once, when it begins and when it ends.
    encrypted(sent.delivered())
    policy(sent, "end", number, "--why", "it is mended")
    check(sent.mail not in policy(sent, "list"), "the override should be gone")
    again = Sent(bench, "overridden")
    event = again.martlet.event("recipient.deferred", again.recipient)
    check("no usable TLSA record" in event["result"], event)
    kinds = [sent.martlet.all_events(f"policy.override-{kind}") for kind in ("added", "ended")]
    check(all(any(one["domain"] == sent.mail for one in some) for some in kinds), f"the log should tell: {kinds}")


@case("an override may ask for more, and mail waits until it ends", GROUP, ids=("DANE-026",))
def stricter(bench):
    first = Sent(bench, "tightened")
    encrypted(first.delivered())
    number = add(first, "dane")
    sent = Sent(bench, "tightened")
    event = sent.martlet.event("recipient.deferred", sent.recipient)
    check("no usable TLSA record" in event["result"] and "override" in event["asked-by"], event)
    policy(sent, "end", number, "--why", "enough")
    encrypted(sent.delivered())


@case("an override waives no TLSA record", GROUP, ids=("DANE-013", "DANE-027"))
def not_waived(bench):
    sent = Sent(bench, "other")
    sent.waits("TLSA")
    number = add(sent, "opportunistic")
    until = time.monotonic() + ARRIVAL_SECONDS
    while len(sent.martlet.events("recipient.deferred", sent.recipient)) < 2:
        check(time.monotonic() < until, "there was no second attempt")
        time.sleep(0.05)
    sent.waits("TLSA")
    policy(sent, "end", number, "--why", "it helps nothing")


# Postfix sends to Martlet

def from_postfix(world, way):
    letter = Letter(sender="carol@postfix.example", to=[f"bob@{way}.{OURS}"])
    with smtplib.SMTP("127.0.0.1", world.postfix.ports["starttls"], timeout=30) as client:
        check(not client.sendmail(letter.sender, letter.to, letter.wire), "Postfix refused")
    return letter


@case("Postfix at the level `dane` delivers to Martlet by the TLSA record of its key, and posttls-finger verifies it",
      GROUP, ids=("DANE-022", "DANE-030"))
def to_martlet(bench):
    world = signed_world(bench)
    letter = from_postfix(world, "verified")
    found, = world.receiver.maildir.wait(letter)
    found.check_received("ESMTPS")
    host = f"mx-verified.{OURS}"
    check(f"Verified TLS connection established to {host}" in world.postfix_log(), world.postfix.log())
    said = world.finger(f"verified.{OURS}")
    check(VERIFIED in said and host in said, said)


@case("Postfix at the level `dane` defers mail for Martlet where the TLSA record is of another key", GROUP,
      ids=("DANE-022",))
def not_to_martlet(bench):
    world = signed_world(bench)
    letter = from_postfix(world, "mistrusted")
    until = time.monotonic() + ARRIVAL_SECONDS
    while not any(f"to=<{letter.to[0]}>" in line and "status=deferred" in line and "not verified" in line
                  for line in world.postfix_log().splitlines()):
        check(time.monotonic() < until, f"Postfix should defer:\n{world.postfix.log()}")
        time.sleep(0.05)
    check(not world.receiver.maildir.holding(letter.token), "Martlet got it all the same")
    check(UNVERIFIED in world.finger(f"mistrusted.{OURS}"), "posttls-finger should not verify it")


# What the sender asks

@case("REQUIRETLS goes from Martlet to Martlet by DANE, is passed on, and is with the mail where it ends", GROUP,
      ids=("RTLS-002", "RTLS-003", "RTLS-014"))
def required(bench):
    world = signed_world(bench)
    sent = Sent(bench, f"through.{OURS}", options=["REQUIRETLS"], user="on")
    event = sent.martlet.event("recipient.delivered", sent.recipient)
    by_dane(event)
    check("REQUIRETLS" in event["asked-by"], event)
    world.receiver.maildir.wait(sent.letter)
    by_dane(world.through.event("recipient.delivered", f"bob@verified.{OURS}"))
    for server in (world.martlet, world.through, world.receiver):
        log = server.background.output()
        check("tls-wish=required" in log or '"tls-wish":"required"' in log, f"the wish got lost:\n{log[-3000:]}")


def comes_back(sent, status):
    """The report of a letter that was given up at once, with the header alone."""
    failed = sent.martlet.event("recipient.failed", sent.recipient)
    check(failed["status"] == status, f"{status} expected: {failed}")
    report, = sent.martlet.maildir.wait(sent.letter)
    check(f"Status: {status}" in report.text, report.text)
    check("not for others" not in report.text, "the report shows the message's text")
    check(not sent.world.postfix.maildir.holding(sent.letter.token), "the message was handed over")
    return failed


@case("mail with REQUIRETLS for Postfix, which knows it not, comes back with 5.7.30 and its header alone", GROUP,
      ids=("RTLS-005", "RTLS-006", "RTLS-008"))
def unknown(bench):
    sent = Sent(bench, "rolled", options=["REQUIRETLS", "RET=FULL"], body="not for others\n")
    comes_back(sent, "5.7.30")
    check(sent.letter.token not in sent.world.postfix_log(), "Postfix heard of the recipient")


@case("mail with REQUIRETLS for an unsigned domain comes back with 5.7.10, and nobody is connected to", GROUP,
      ids=("RTLS-002", "RTLS-006", "RTLS-008"))
def unproven(bench):
    world = signed_world(bench)
    before = len(world.heard_by_postfix("unsigned"))
    comes_back(Sent(bench, "unsigned", options=["REQUIRETLS", "RET=FULL"], body="not for others\n"), "5.7.10")
    new = [line for line in world.heard_by_postfix("unsigned")[before:] if ": connect from" in line]
    check(not new, f"Postfix was connected to: {new}")


@case("TLS-Required: No goes where the TLSA record is of another key, still over TLS, and waives no floor", GROUP,
      ids=("RTLS-010",))
def waived(bench):
    encrypted(Sent(bench, "waived", extra_fields=["TLS-Required: No"]).delivered())
    Sent(bench, "waived-floor", extra_fields=["TLS-Required: No"]).waits("the floor is dane", by_floor=True)


# Attackers on the way to a host with TLSA records

SAID = {
    "stripped": "STARTTLS is cut out of what the host offers",
    "refusing": "STARTTLS is answered with 454",
    "refusing-for-good": "STARTTLS is answered with 502",
    "injecting": "bytes in clear stand behind the 220",
    "speechless": "EHLO is answered with 500, and HELO would do",
    "vanishing": "the connection breaks at STARTTLS",
}


# What isn't told as a lack of safety.
OTHERWISE = {"injecting": {"reason": "insecure", "status": "4.7.5"},
             "vanishing": {"reason": "connection-lost", "status": "4.4.2"}}


def register(name):
    @case(f"where {SAID[name]} in front of a host with TLSA records, no envelope is said", GROUP,
          ids=("DANE-013", "STLS-014", "STLS-018"))
    def attacked(bench):
        sent = Sent(bench, f"{name}.{SIGNED}")
        sent.waits(**OTHERWISE.get(name, {}))
        attacker = sent.world.attackers[name]
        check(attacker.said("EHLO"), f"nobody came: {attacker.lines}")
        for word in ("MAIL", "RCPT", "DATA", "bob+", sent.letter.token):
            check(not attacker.said(word), f"{word} was said: {attacker.lines}")


for attack in ATTACKERS:
    register(attack)
