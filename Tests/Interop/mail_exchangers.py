"""Martlet sends by MX to hosts that the DNS names, hides, or says not to use, that want time, or that know less."""

import smtplib
import time

from harness import ARRIVAL_SECONDS, case, check
from peers.town import town
from peers.world import goes_out, world

GROUP = "relay"


def arrives_at(host, letter, seconds=ARRIVAL_SECONDS):
    """The transaction in which a scripted host got the letter, whole."""
    until = time.monotonic() + seconds
    while not (found := host.holding(letter.token)):
        check(time.monotonic() < until, f"nothing arrived at {host.name} within {seconds} s")
        time.sleep(0.02)
    check(found[0].content.endswith(letter.wire), "the message changed on its way")
    return found[0]


def bounces(bench, recipient, status, **given):
    """The letter comes back to alice with this status, and was tried once alone."""
    martlet = world(bench).martlet
    letter = goes_out(bench, recipient, **given)
    failed = martlet.event("recipient.failed", recipient)
    check(failed["status"] == status, f"{status} expected: {failed}")
    report, = martlet.maildir.wait(letter)
    check(report.fields("Return-Path") == ["<>"], f"a report has the null sender: {report.fields('Return-Path')}")
    check(f"Status: {status}" in report.text, f"the report does not say {status}:\n{report.text[:3000]}")
    check(not martlet.events("recipient.deferred", recipient), "it was put off before it was given up")
    return failed


# What the DNS says

@case("the host of the best preference gets the mail and the other one is left alone", GROUP, ids=("SMTP-050",))
def preference(bench):
    hosts = world(bench).hosts
    letters = [goes_out(bench, f"bob-{index}@preferred.example") for index in range(5)]
    for letter in letters:
        arrives_at(hosts["first"], letter)
        check(not hosts["second"].holding(letter.token), "the worse host got it too")


@case("the next host gets the mail when the best one is down", GROUP, ids=("SMTP-050",))
def fallback(bench):
    letter = goes_out(bench, "bob@fallback.example")
    arrives_at(world(bench).hosts["second"], letter)
    event = world(bench).martlet.event("recipient.delivered", "bob@fallback.example")
    check(event["attempt"] in (1, "1"), f"it took more than one attempt: {event}")


@case("hosts of equal preference both get mail", GROUP, ids=("SMTP-050",))
def equal(bench):
    hosts = [world(bench).hosts[name] for name in ("first", "second")]
    letters = []
    # One that is chosen 24 times out of 24 is no accident.
    for _ in range(24):
        letters.append(goes_out(bench, "bob@equal.example"))
        if all(any(host.holding(letter.token) for letter in letters) for host in hosts):
            break
        time.sleep(0.05)
    until = time.monotonic() + ARRIVAL_SECONDS
    while not all(any(host.holding(letter.token) for letter in letters) for host in hosts):
        check(time.monotonic() < until, f"of {len(letters)} letters one of the hosts got none")
        time.sleep(0.05)


@case("a domain without MX records gets its mail at its address", GROUP, ids=("SMTP-048",))
def implicit(bench):
    arrives_at(world(bench).hosts["first"], goes_out(bench, "bob@implicit.example"))


@case("a domain that is a CNAME gets its mail where that leads, its addresses as they were written", GROUP,
      ids=("SMTP-048",))
def cname(bench):
    arrived = arrives_at(world(bench).hosts["first"], goes_out(bench, "bob@alias.example"))
    check(arrived.recipients[0].startswith("<bob@alias.example>"), f"the recipient was rewritten: {arrived.recipients}")


@case("a domain whose only MX host is down waits, and its address is not tried in place of it", GROUP,
      ids=("SMTP-049",))
def no_fallback_to_address(bench):
    martlet = world(bench).martlet
    goes_out(bench, "bob@deadmx.example")
    martlet.event("recipient.deferred", "bob@deadmx.example")
    check(not world(bench).hosts["first"].said("deadmx.example"), "the domain's own address was used")


@case("a recipient whose domain has a null MX is refused at RCPT with 556 5.1.10", GROUP, ids=("NMX-003",))
def null_mx(bench):
    try:
        goes_out(bench, "bob@nullmx.example")
    except smtplib.SMTPRecipientsRefused as refused:
        code, text = refused.recipients["bob@nullmx.example"]
        check(code == 556 and text.startswith(b"5.1.10 "), f"556 5.1.10 expected: {code} {text}")
    else:
        check(False, "mail to a domain that takes none was accepted")


@case("a domain that does not exist gives the mail back at once with 5.1.2", GROUP, ids=("SMTP-048",))
def no_domain(bench):
    bounces(bench, "bob@absent.example", "5.1.2")


@case("a name server that fails makes the mail wait", GROUP, ids=("SMTP-048",))
def servfail(bench):
    martlet = world(bench).martlet
    goes_out(bench, "bob@broken.example")
    event = martlet.event("recipient.deferred", "bob@broken.example")
    check(event["status"].startswith("4.4."), f"4.4.z expected: {event}")
    check("bob@broken.example" in martlet.queue(), "the message is no longer in the queue")


@case("mail that would come back to us by our own name as the only MX host is given back with 5.4.6", GROUP,
      ids=("SMTP-046", "SMTP-051"))
def loop(bench):
    bounces(bench, "bob@loop.example", "5.4.6")


@case("a host that greets with our own name is us, and the mail is given back with 5.4.6", GROUP, ids=("SMTP-046",))
def mirror(bench):
    failed = bounces(bench, "bob@mirrored.example", "5.4.6")
    check(not world(bench).hosts["mirror"].said("MAIL"), f"our own mirror was given mail: {failed}")


@case("as a backup MX we send to better hosts alone: with those down the mail waits", GROUP, ids=("SMTP-051",))
def backup(bench):
    goes_out(bench, "bob@backup.example")
    world(bench).martlet.event("recipient.deferred", "bob@backup.example")
    check(not world(bench).hosts["second"].said("backup.example"), "a host no better than we are was used")


@case("a message for three domains goes to the hosts of each", GROUP, ids=("SMTP-040", "SMTP-048"))
def three_domains(bench):
    postfix, exim = town(bench)["postfix"], town(bench)["exim"]
    letter = goes_out(bench, "ann@preferred.example", "bob@preferred.example", f"bob@clear.{postfix.domain}",
                      f"bob@selfsigned.{exim.domain}")
    arrived = arrives_at(world(bench).hosts["first"], letter)
    check(len(arrived.recipients) == 2, f"both recipients of one domain go in one transaction: {arrived.recipients}")
    postfix.maildir.wait(letter)
    exim.maildir.wait(letter)


# What hosts say

@case("mail that is greylisted is tried again and arrives once", GROUP)
def greylisting(bench):
    host = world(bench).hosts["grey"]
    letter = goes_out(bench, "bob@greylisted.example")
    arrives_at(host, letter)
    event = world(bench).martlet.event("recipient.delivered", "bob@greylisted.example")
    check(int(event["attempt"]) == 2, f"the second attempt should have done: {event}")
    check(len(host.holding(letter.token)) == 1, "it arrived more than once")


@case("mail too big for the next hop's SIZE is given back before a byte is sent", GROUP, ids=("SIZE-004",))
def too_big(bench):
    bounces(bench, "bob@little.example", "5.3.4", body="x" * 70 + "\n" + "A long line of a long letter.\n" * 100)
    check(not world(bench).hosts["small"].transactions, "content was sent all the same")


@case("an 8-bit message for a host without 8BITMIME is given back with 5.6.3", GROUP, ids=("8BIT-001",))
def eight_bit(bench):
    bounces(bench, "bob@sevenbit.example", "5.6.3", body="Ein Reiher im Röhricht.\n", utf8=True,
            options=["BODY=8BITMIME"])
    check(not world(bench).hosts["old"].said("MAIL"), "the transaction was begun all the same")


@case("an international message for a host without SMTPUTF8 is given back with 5.6.7", GROUP, ids=("UTF8-002",))
def international(bench):
    bounces(bench, "grå@little.example", "5.6.7", utf8=True, options=["SMTPUTF8", "BODY=8BITMIME"])
    check(not world(bench).hosts["small"].said("MAIL"), "the transaction was begun all the same")


# Reports that senders ask for

@case("what a sender asks of reports goes on unchanged to a host that knows DSN", GROUP, ids=("DSN-004",))
def passed_on(bench):
    host = world(bench).hosts["reporter"]
    letter = goes_out(bench, "bob@reporting.example", options=["RET=HDRS", "ENVID=Heron+2B7"],
                      asked=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2BLists@Reporting.example"])
    arrived = arrives_at(host, letter)
    for word in ("RET=HDRS", "ENVID=Heron+2B7"):
        check(word in arrived.sender, f"{word} was lost or changed: {arrived.sender}")
    for word in ("NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Bob+2BLists@Reporting.example"):
        check(word in arrived.recipients[0], f"{word} was lost or changed: {arrived.recipients}")
    check(not world(bench).martlet.maildir.holding(letter.token), "a report was sent where the next hop sends it")


@case("a report of success that the next hop knows nothing of says that the mail was relayed", GROUP, ids=("DSN-005",))
def relayed(bench):
    letter = goes_out(bench, "bob@implicit.example", options=["ENVID=Heron+2B8"], asked=["NOTIFY=SUCCESS"])
    arrived = arrives_at(world(bench).hosts["first"], letter)
    check("NOTIFY" not in arrived.recipients[0] and "ENVID" not in arrived.sender, f"unknown parameters: {arrived}")
    report, = world(bench).martlet.maildir.wait(letter)
    check("Action: relayed" in report.text, f"the report does not say relayed:\n{report.text[:3000]}")
