"""MTA-STS against other people's HTTPS servers: nginx, Apache and Python's http.server serve policies, rightly and not;
Postfix is the mail host, and none that falls short of a policy hears an envelope."""

import json
import time

from harness import ARRIVAL_SECONDS, Letter, case, check, run, run_client
from peers.policy_world import FRAGILE, LOOSE, ODD, PROVEN, REFUSED, SHORT, ZONE, host, policy, \
    policy_world
from peers.smarthost import Smarthost
from serve import Serve

GROUP = "sts"
# From the first look-up to the last octet, and some for the delivery (RFC 8461 §3.3 suggests a minute).
A_MINUTE = 60 + ARRIVAL_SECONDS


class Sent:
    """A letter in Martlet's hands for bob at some domains, each with an outcome of its own."""

    def __init__(self, bench, *names, martlet=None, **given):
        self.world = policy_world(bench)
        self.martlet = martlet or self.world.martlet
        self.letter = Letter(sender="alice@example.org", to=[], **given)
        self.letter.to += [self.recipient(name) for name in names]
        self.martlet.hand_in(self.letter)

    def recipient(self, name):
        # No two letters of a run have the same recipient.
        return f"bob+{self.letter.token}@{name}.{ZONE}"

    def delivered(self, name, to, seconds=ARRIVAL_SECONDS):
        """The event; the message is whole at Postfix, at that mail host."""
        event = self.martlet.event("recipient.delivered", self.recipient(name), seconds)
        until = time.monotonic() + ARRIVAL_SECONDS
        while not any(self.recipient(name) in one.fields("Delivered-To") for one in self.arrived()):
            check(time.monotonic() < until, f"Postfix has nothing for {name}: {event}")
            time.sleep(0.05)
        check(all(one.text.endswith(self.letter.text) for one in self.arrived()), "the message changed on its way")
        check(host(to) in event["host"], f"it should be {host(to)}: {event}")
        return event

    def arrived(self):
        return self.world.postfix.maildir.holding(self.letter.token)

    def waits(self, name, *words):
        """The event of its first attempt; Postfix has nothing of it, and the queue says whose word it waits for."""
        event = self.martlet.event("recipient.deferred", self.recipient(name))
        check(event["reason"] == "insecure" and event["status"].startswith("4.7."), f"4.7.x for safety: {event}")
        check(event["mta-sts"].startswith("enforce "), f"the policy should be in force: {event}")
        for some in words:
            check(some in f"{event['result']} {event['asked-by']}", f"{some!r} should be said: {event}")
        shown = " ".join(run_client([self.world.bench.martlet, "queue", "show", event["id"], "--config",
                                     self.martlet.config]).split())
        check("MTA-STS" in shown or "mta-sts" in shown, f"queue show should name the policy:\n{shown}")
        check(not any(self.recipient(name) in one.text for one in self.arrived()), "it was handed over")
        return event

    def tries_again(self, name):
        event = self.martlet.event("recipient.deferred", self.recipient(name))
        run_client([self.world.bench.martlet, "queue", "retry", event["id"], "--config", self.martlet.config])


def refresh(world, name, code=0, martlet=None):
    """What `martlet policy refresh` says of a domain: its policy as JSON, or why there is none."""
    ended, said = run([world.bench.martlet, "policy", "refresh", f"{name}.{ZONE}", "--config",
                       (martlet or world.martlet).config, "--json"])
    check((ended == 0) == (code == 0), f"policy refresh {name} ended with {ended}: {said}")
    return json.loads(said)["policies"][0] if code == 0 else " ".join(said.split())


def encrypted_by_choice(event):
    """TLS that proves nothing, for nobody asked."""
    check(event["policy"] == "opportunistic" and " unverified" in event["tls"], f"nothing should be asked: {event}")


# Letters that a minute passes over are on their way while all the other cases run.

class Slow:
    def __init__(self, bench):
        world = policy_world(bench)
        self.began = time.monotonic()
        self.endless = Sent(bench, "endless")
        # What waits for safety isn't tried again for minutes: the attempt after the first is the last.
        self.late, self.too_late = (Sent(bench, name, martlet=world.hasty) for name in ("late", "too-late"))
        self.late.waits("late", "doesn't list")
        self.too_late.waits("too-late", "doesn't list")
        world.python.texts[f"mta-sts.late.{ZONE}"] = policy(patterns=[host("other")])
        world.publish("late", id="2")

    def stop(self):
        return True


def slow(bench):
    return bench.once("slow-letters", lambda: Slow(bench))


# Policies that are in force

@case("with a policy of nginx's, of Apache's and of Python's server mail goes to the host that proves its name, by TLS",
      GROUP, ids=("STS-005", "STS-011", "STS-012", "STS-024", "STS-025"))
def proven(bench):
    world = policy_world(bench)
    slow(bench)
    names = ("nginx", "apache", "wild")
    sent = Sent(bench, *names)
    for name in names:
        event = sent.delivered(name, PROVEN)
        check(event["policy"] == "authenticate pkix" and event["mta-sts"].startswith("enforce id=20261122T1145 "), event)
        check(event["tls"].startswith("TLSv1.3") and event["tls"].endswith(f" verified {host(PROVEN)}"), event)
    asked = [line for line in world.nginx.asked() if line.startswith(f"mta-sts.nginx.{ZONE} ")]
    check(asked == [f"mta-sts.nginx.{ZONE} /.well-known/mta-sts.txt 200 -"], f"one request was to be: {asked}")
    check(refresh(world, "nginx")["mode"] == "enforce", "policy refresh should find the same")


SAID = {"selfsigned": ("a self-signed certificate", "certificate"), "elsewhere": ("a certificate for another name", "it is for elsewhere.sts.example"),
        "expired": ("an expired certificate", "expired"), "clear": ("no STARTTLS", "STARTTLS"),
        "old": ("TLS 1.1 at most", "TLS 1.1 at most")}


def register_short(name):
    title, words = SAID[name]

    @case(f"under enforce Postfix with {title} hears no envelope, and the mail waits with the reason", GROUP,
          ids=("STS-026", "STS-030", "STS-033" if name == "old" else "STS-025"))
    def short(bench):
        sent = Sent(bench, f"short-{name}")
        event = sent.waits(f"short-{name}", words, "the policy of mode enforce lists")
        check(event["policy"] == "authenticate pkix", event)
        sent.world.hears_no_envelope(name)


for short_name in SHORT:
    register_short(short_name)


@case("under enforce a host that the policy doesn't list is not connected to", GROUP, ids=("STS-024", "STS-026"))
def unlisted(bench):
    world = policy_world(bench)
    before = len(world.heard("selfsigned"))
    event = Sent(bench, "unlisted").waits("unlisted", "doesn't list")
    check(event["policy"] == "try-later", event)
    new = [line for line in world.heard("selfsigned")[before:] if ": connect from" in line]
    check(not new, f"it was connected to: {new}")


# Answers that are odd and right, and answers that are no policy

RIGHT = {"crlf": "CRLF at the ends of lines", "chunked": "Apache's chunks", "old-http": "an answer in HTTP/1.0",
         "kept-open": "a connection that is kept open", "until-the-end": "a text that ends with TLS",
         "slow": "an answer octet by octet"}


def register_odd(name):
    @case(f"a policy that comes with {RIGHT[name]} is in force: the mail waits, for the host falls short of it", GROUP,
          ids=("STS-007", "STS-013", "STS-026"))
    def odd(bench):
        sent = Sent(bench, name)
        sent.waits(name, "certificate")
        found = refresh(sent.world, name)
        check(found["mode"] == "enforce" and found["mx"] == [host("odd")], f"another policy was published: {found}")
        sent.world.hears_no_envelope("odd")


for odd_name in ODD:
    register_odd(odd_name)

WRONG = {"moved": "a redirect to a policy that is right (301)", "found": "another redirect (302)",
         "html": "a policy as text/html", "missing": "404", "broken": "503", "compressed": "gzip that nobody asked for",
         "large": "more than 64 KiB", "misnamed": "a certificate for another name", "outdated": "an expired certificate",
         "selfmade": "a self-signed certificate"}


def register_refused(name):
    @case(f"{WRONG[name]} from nginx is no policy: it is said why, and mail goes as if there were none", GROUP,
          ids=("STS-006", "STS-011", "STS-013", "STS-016", "STS-017"))
    def refused(bench):
        sent = Sent(bench, name)
        encrypted_by_choice(sent.delivered(name, LOOSE))
        world = sent.world
        said = refresh(world, name, code=75)
        check(REFUSED[name][1] in said, f"{REFUSED[name][1]!r} should be said: {said}")
        asked = [line for line in world.nginx.asked() if line.startswith(f"mta-sts.{name}.{ZONE} ")]
        reached = name not in ("misnamed", "outdated", "selfmade")
        # Once for the mail and once for the operator: a redirect leads nowhere, and nobody said that gzip would do.
        check(len(asked) == (2 if reached else 0) and all(line.endswith(" -") for line in asked), f"asked: {asked}")


for refused_name in REFUSED:
    register_refused(refused_name)


@case("a text whose end nobody marks is no policy where TLS isn't ended in good order: it could have been cut", GROUP,
      ids=("STS-016", "STS-017"))
def unmarked(bench):
    sent = Sent(bench, "cut-short")
    encrypted_by_choice(sent.delivered("cut-short", LOOSE))
    said = refresh(sent.world, "cut-short", code=75)
    check("TLS was not closed in good order" in said, said)


# Modes

@case("under a policy of mode testing mail goes to a host that falls short of it, and the event says so", GROUP,
      ids=("STS-027",))
def tested(bench):
    sent = Sent(bench, "tested", "tested-unlisted")
    for name in ("tested", "tested-unlisted"):
        event = sent.delivered(name, LOOSE)
        encrypted_by_choice(event)
        check(event["mta-sts"].startswith("testing id="), f"the policy should be noted: {event}")
        check("certificate" in event["tls"], f"what failed should be told: {event}")


@case("a policy of mode none lets go what one of mode enforce has held, and is not refreshed from a page that is gone",
      GROUP, ids=("STS-002", "STS-004", "STS-028"))
def leaving(bench):
    world = policy_world(bench)
    sent = Sent(bench, "leaving")
    sent.waits("leaving", "doesn't list")
    world.python.texts[f"mta-sts.leaving.{ZONE}"] = policy("none") + b"mode: enforce\n"
    world.publish("leaving", id="2")
    sent.tries_again("leaving")
    event = sent.delivered("leaving", "other")
    check(event["policy"] == "opportunistic", event)
    check(refresh(world, "leaving")["mode"] == "none", "the policy should be of mode none")
    standing = json.loads(run_client([bench.martlet, "queue", "status", "--config", world.martlet.config, "--json"]))
    check(not any(f"leaving.{ZONE}" in str(alarm) for alarm in standing["alarms"]), f"no alarm stays: {standing}")


# Time

@case("another text under the same id isn't asked for, and a new id, smaller or not, fetches it at the next attempt",
      GROUP, ids=("STS-002", "STS-014"))
def renewed(bench):
    world, name = policy_world(bench), f"mta-sts.renewed.{ZONE}"
    sent = Sent(bench, "renewed")
    sent.waits("renewed", "doesn't list")
    world.python.texts[name] = policy(patterns=[host("other")])
    sent.tries_again("renewed")
    until = time.monotonic() + ARRIVAL_SECONDS
    while len(sent.martlet.events("recipient.deferred", sent.recipient("renewed"))) < 2:
        check(time.monotonic() < until, "there was no second attempt")
        time.sleep(0.05)
    check(world.python.count(name) == 1, f"one fetch for one id: {world.python.asked}")
    world.publish("renewed", id="1")
    sent.tries_again("renewed")
    event = sent.delivered("renewed", "other")
    check(event["mta-sts"].startswith("enforce id=1 ") and f"verified {host('other')}" in event["tls"], event)
    check(world.python.count(name) == 2, f"one fetch for one id: {world.python.asked}")


@case("a kept policy of mode enforce holds over a restart, with the policy host down and its record gone", GROUP,
      ids=("STS-018", "STS-019", "STS-026"))
def over_a_restart(bench):
    world = policy_world(bench)
    name = "lost"
    sent = Sent(bench, name, martlet=world.lasting)
    sent.waits(name, "doesn't list")
    world.fragile.stop()
    # An attacker who holds the network: no record, no policy host, and a mail host of his.
    world.publish(name, id=None, mail="selfsigned")
    before = world.heard("selfsigned")
    world.lasting.stop()
    world.lasting.start()
    again = Sent(bench, name, martlet=world.lasting)
    event = again.waits(name, "doesn't list")
    check("kept" in event["asked-by"], f"that it is a kept one should be said: {event}")
    check(not any(": connect from" in line for line in world.heard("selfsigned")[len(before):]), "it went there")
    said = refresh(world, name, code=75, martlet=world.lasting)
    check("nobody answers" in said, f"{FRAGILE} should not answer: {said}")
    shown = json.loads(run_client([bench.martlet, "policy", "show", f"{name}.{ZONE}", "--config",
                                   world.lasting.config, "--json"]))
    check(shown["policies"][0]["mode"] == "enforce" and shown["policies"][0]["trouble"], f"kept, with why: {shown}")


# Smarthosts

@case("a smarthost proves its own name whatever its domain publishes and whomever the mail is for: of policies nothing "
      "is asked", GROUP, ids=("STS-022",))
def smarthost(bench):
    world = policy_world(bench)
    asked = len(world.python.asked), len(world.nginx.asked())
    password = bench.place("smarthost-password") / "password"
    password.write_text(Smarthost.password + "\n")
    password.chmod(0o600)
    for name in ("localhost", f"elsewhere.{ZONE}"):
        peer = Smarthost(bench.place("smarthost-sts"), "implicit", name=name)
        try:
            server = Serve(bench.martlet, bench.place("smarthost-sender"), trust=peer.ca, smarthost={
                "host": "localhost", "port": peer.port, "tls": "implicit", "user": peer.user,
                "password_file": password})
            try:
                # The recipients' policy lists other hosts: by MX this would wait.
                letter = Letter(sender="alice@example.org", to=[f"bob@unlisted.{ZONE}"])
                server.submit(letter)
                if name == "localhost":
                    peer.maildir.wait(letter)
                    continue
                until = time.monotonic() + ARRIVAL_SECONDS
                while "recipient.deferred" not in server.background.output():
                    check(time.monotonic() < until, server.log())
                    time.sleep(0.05)
                check(not peer.maildir.holding(letter.token), "it got the mail")
                check("MAIL FROM" not in peer.seen().upper(), f"it heard of the mail:\n{peer.seen()}")
            finally:
                server.stop()
        finally:
            peer.stop()
    check((len(world.python.asked), len(world.nginx.asked())) == asked, "a policy host was asked")


# What takes a minute

@case("an answer that never ends is cut off after a minute, and then the mail goes", GROUP, ids=("STS-016", "STS-017"))
def cut_off(bench):
    sent = slow(bench).endless
    event = sent.delivered("endless", LOOSE, seconds=A_MINUTE)
    encrypted_by_choice(event)
    check(int(event["age-seconds"]) >= 55, f"it was to be waited for: {event}")
    server, until = sent.world.python.server, time.monotonic() + ARRIVAL_SECONDS
    while f"mta-sts.endless.{ZONE}" not in server.left:
        check(time.monotonic() < until, "the connection is held")
        time.sleep(0.1)


@case("before mail is given up for a policy's sake the record is looked at anew: a new policy lets it go, and without "
      "one it comes back", GROUP, ids=("STS-029", "STS-030"))
def last_look(bench):
    letters = slow(bench)
    event = letters.late.delivered("late", "other", seconds=A_MINUTE)
    check(event["mta-sts"].startswith("enforce id=2 ") and int(event["attempt"]) == 2, event)
    sent = letters.too_late
    failed = sent.martlet.event("recipient.failed", sent.recipient("too-late"), A_MINUTE)
    check(failed["mta-sts"].startswith("enforce id=20261122T1145 "), failed)
    report, = sent.martlet.maildir.wait(sent.letter)
    check("MTA-STS" in report.text and "Action: failed" in report.text, report.text)
    check(not sent.arrived(), "it was handed over")
