"""The states that an answer about TLSA records can have, each from nsd's zones and with a delivery of its own; and what
`martlet explain --live` and posttls-finger say of the same hosts."""

import json

from harness import case, check, run
from policies import UNVERIFIED, VERIFIED, Sent, by_dane, encrypted
from peers.signed_world import DARK, STALE, signed_world

GROUP = "dane"

# By the state: the domain that has it, what explain calls the records, and what comes of mail.
STATES = {
    "secure, of the host's key": ("good", "published", "dane"),
    "secure, of another key": ("other", "published", "waits"),
    "insecure": ("unsigned", "not-sought", "opportunistic"),
    "bogus, for it is not what was signed": ("forged", "failed", "waits"),
    "signed with a signature that is over": ("bogus", "failed", "waits"),
    "NXDOMAIN, proven": ("absent", "absent", "opportunistic"),
    "NODATA, proven": ("nodata", "absent", "opportunistic"),
    "SERVFAIL": ("lost", "failed", "waits"),
}
COMES = {"dane": "mail goes, proven by them", "opportunistic": "mail goes over TLS that proves nothing",
         "waits": "mail waits, and no envelope is said"}


def explain(world, domain):
    """What `martlet explain --live` says: its outcome, and of each host the verdict and what was met there."""
    _, said = run([world.bench.martlet, "explain", domain, "--live", "--json", "--config", world.martlet.config])
    # Behind what it says of its progress.
    found = [line for line in said.splitlines() if line.startswith("{")]
    check(len(found) == 1, f"explain should print JSON: {said[:2000]}")
    return json.loads(found[0])


def register(state):
    name, records, comes = STATES[state]

    @case(f"where the TLSA answer is {state}, {COMES[comes]}, and explain says so before", GROUP,
          ids=("DANE-001", "DANE-004") if records == "failed" else ("DANE-011",) if comes == "opportunistic"
          else ("DANE-013",))
    def delivered(bench):
        world = signed_world(bench)
        told = explain(world, world.domains[name].mail)
        found, = told["hosts"]
        check(found["tlsa"]["state"] == records, f"explain should call them {records}: {found}")
        check(told["outcome"] == ("waits" if comes == "waits" else "goes"), f"explain: {told['outcome']}: {told}")
        sent = Sent(bench, name)
        if comes == "waits":
            event, _ = sent.waits("TLSA")
        else:
            event = sent.delivered()
            (by_dane if comes == "dane" else encrypted)(event)
        check(event["policy"] == found["verdict"], f"explain said {found['verdict']}: {event}")


for tlsa_state in STATES:
    register(tlsa_state)


@case("where the MX record can't be had, or its signature is over, mail waits for the DNS; where the domain doesn't "
      "exist, it comes back", GROUP, ids=("DANE-001", "DANE-003"))
def exchangers(bench):
    world = signed_world(bench)
    for name, words in ((f"somebody.{DARK}", "SERVFAIL"), (f"somebody.{STALE}", "signature expired")):
        sent = Sent(bench, name)
        event = sent.martlet.event("recipient.deferred", sent.recipient)
        check(words in event["result"] and event["status"].startswith("4."), f"{words} should be said: {event}")
        told = explain(world, sent.mail)
        check(told["outcome"] in ("unanswered", "waits") and not told["hosts"], f"explain: {told}")
    sent = Sent(bench, "nobody.signed.example")
    event = sent.martlet.event("recipient.failed", sent.recipient)
    check(event["status"].startswith("5."), event)
    check(explain(world, sent.mail)["outcome"] == "returned", "explain should say that it comes back")


def by_explain(told):
    """What posttls-finger should say of a domain with one host that has TLS."""
    if not told["hosts"]:
        return "Destination address lookup failed"
    found, = told["hosts"]
    if found["verdict"] == "try-later":
        return "TLSA lookup error"
    if found["verdict"] == "authenticate dane" and found["live"]["judgement"] == "met":
        return VERIFIED if told["mx"] == "secure" else "Trusted TLS connection established"
    return UNVERIFIED


@case("posttls-finger agrees with explain on every host of the signed world that has TLS", GROUP,
      ids=("DANE-013", "DANE-016", "DANE-020"))
def agreement(bench):
    world, words = signed_world(bench), {}
    for one in world.domains.values():
        if not one.face or one.face == "clear":
            continue
        told = explain(world, one.mail)
        # Of floors posttls-finger knows nothing.
        if told["floor"] == "opportunistic":
            said = world.finger(one.mail)
            words[one.name] = by_explain(told)
            check(words[one.name] in said, f"{one.name}: explain makes {words[one.name]!r} of it, and posttls-finger:\n"
                  f"{said}\n{told}")
    # Each of its words was said of somebody.
    check(len(set(words.values())) == 5, f"{words}")
    return f"{len(words)} hosts"
