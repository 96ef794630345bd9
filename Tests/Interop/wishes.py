"""What a sender asks of the way: REQUIRETLS with MAIL, and TLS-Required: No in the header (RFC 8689)."""

import smtplib

from harness import Letter, Maildir, case, check, run
from next_hops import smarthost_settings
from peers.smarthost import Smarthost
from serve import Serve
from wire import Wire, plain, trusting

GROUP = "hops"


def inside_tls(bench, role):
    """smtplib inside TLS, signed in where that is asked."""
    context, port = trusting(bench.dev.ca), bench.dev.ports[role]
    if role == "submissions":
        client = smtplib.SMTP_SSL("localhost", port, context=context, timeout=30)
    else:
        client = smtplib.SMTP("localhost", port, timeout=30)
        client.starttls(context=context)
    if role != "relay":
        client.login(bench.dev.user, bench.dev.password)
    return client


@case("smtplib submits with REQUIRETLS on 465, 587 and 2525", GROUP, ids=("RTLS-001", "RTLS-013"))
def submits(bench):
    for role in ("submissions", "submission", "alternate"):
        letter = Letter()
        with inside_tls(bench, role) as client:
            client.ehlo()
            check(client.has_extn("requiretls"), f"{role} should offer REQUIRETLS inside TLS")
            client.sendmail(letter.sender, letter.to, letter.wire, mail_options=["REQUIRETLS"])
        bench.dev.maildir.wait(letter)


@case("REQUIRETLS from the null sender is taken on 25 inside TLS, and neither offered nor known there in clear", GROUP,
      ids=("RTLS-001",))
def between_servers(bench):
    with inside_tls(bench, "relay") as client:
        client.ehlo()
        check(client.has_extn("requiretls"), "25 should offer REQUIRETLS inside TLS")
        code, _ = client.mail("", ["REQUIRETLS"])
        check(code == 250, f"MAIL FROM:<> REQUIRETLS is answered {code}")
    letter = Letter()
    with smtplib.SMTP("localhost", bench.dev.ports["relay"], timeout=30) as client:
        client.ehlo()
        check(not client.has_extn("requiretls"), "25 offers REQUIRETLS in clear")
        try:
            client.sendmail(letter.sender, letter.to, letter.wire, mail_options=["REQUIRETLS"])
            check(False, "MAIL with REQUIRETLS was taken in clear")
        except smtplib.SMTPSenderRefused as refusal:
            check(refusal.smtp_code == 555, f"555 expected: {refusal}")


@case("REQUIRETLS has no value", GROUP, ids=("RTLS-001",))
def value(bench):
    with Wire(bench.dev.ports["submissions"], context=trusting(bench.dev.ca), implicit=True) as wire:
        wire.expect(220)
        wire.ask("EHLO client.example.org", 250)
        wire.ask(f"AUTH PLAIN {plain(bench.dev.user, bench.dev.password)}", 235)
        wire.ask("MAIL FROM:<alice@example.org> REQUIRETLS=1", 501)


@case("two TLS-Required fields are refused from a user, and one stays in the message", GROUP,
      ids=("RTLS-011", "RTLS-013"))
def header_field(bench):
    twice = Letter(extra_fields=["TLS-Required: No", "TLS-Required: No"])
    with inside_tls(bench, "submissions") as client:
        try:
            client.sendmail(twice.sender, twice.to, twice.wire)
            check(False, "two TLS-Required fields were taken")
        except smtplib.SMTPDataError as refusal:
            check(refusal.smtp_code == 554, f"554 expected: {refusal}")
    once = Letter(extra_fields=["TLS-Required: No"])
    with inside_tls(bench, "submissions") as client:
        client.sendmail(once.sender, once.to, once.wire)
    delivered, = bench.dev.maildir.wait(once)
    check(delivered.fields("TLS-Required") == ["No"], f"TLS-Required: {delivered.fields('TLS-Required')}")


@case("martlet send --require-tls sends to a server that offers REQUIRETLS, and nothing to one that doesn't", GROUP,
      ids=("RTLS-002",))
def command(bench):
    secret = bench.place("secret") / "password"
    secret.write_text(bench.dev.password + "\n")
    secret.chmod(0o600)
    least = ["--from", "alice@example.org", "--to", "bob@example.net", "--body", "x", "--require-tls"]
    code, said = run([bench.martlet, "send", "--server", f"localhost:{bench.dev.ports['submissions']}", "--ca",
                      bench.dev.ca, "--user", bench.dev.user, "--password-file", secret, *least])
    check(code == 0, f"it ended with {code}:\n{said}")
    check("~> MAIL FROM:<alice@example.org> SIZE=" in said and "REQUIRETLS\n" in said, f"no REQUIRETLS:\n{said}")
    peer = Smarthost(bench.place("smarthost"), "implicit")
    try:
        code, said = run([bench.martlet, "send", "--server", f"localhost:{peer.port}", "--ca", peer.ca, *least])
        check(code == 65, f"65 expected, not {code}:\n{said}")
        check("lacks REQUIRETLS" in said and "MAIL" not in peer.seen(), f"it should have said why:\n{said}")
    finally:
        peer.stop()


@case("a smarthost that offers REQUIRETLS is asked for it, and keeps the wish", GROUP, ids=("RTLS-002", "RTLS-003"))
def passed_on(bench):
    mail = bench.place("mail")
    last = Serve(bench.martlet, bench.place("last"), outbound=f"{{route: maildir, maildir: {mail}/all}}")
    settings = smarthost_settings(bench, last.ports["submissions"], "implicit", last.user, last.password)
    first = Serve(bench.martlet, bench.place("first"), smarthost=settings, trust=last.ca)
    try:
        letter = Letter(sender="alice@example.org", to=["bob@example.net"])
        first.submit(letter, options=["REQUIRETLS"])
        Maildir(mail / "all").wait(letter)
        for server in (first, last):
            check("tls-wish=required" in server.log(), f"the wish is not in the log:\n{server.log()}")
    finally:
        first.stop()
        last.stop()


@case("a smarthost without REQUIRETLS hears no MAIL, and the sender gets 5.7.30 with the header alone", GROUP,
      ids=("RTLS-006", "RTLS-008"))
def lacking(bench):
    peer = Smarthost(bench.place("smarthost"), "implicit")
    server = Serve(bench.martlet, bench.place("serve"), trust=peer.ca,
                   smarthost=smarthost_settings(bench, peer.port, "implicit", peer.user, peer.password))
    try:
        letter = Letter(sender="alice@example.org", to=["bob@example.net"], body="not for others\n")
        server.submit(letter, options=["REQUIRETLS", "RET=FULL"])
        report, = server.maildir.wait(letter)
        check("Status: 5.7.30" in report.text, f"5.7.30 expected:\n{report.text}")
        check("not for others" not in report.text, "the report shows the message's text")
        check("MAIL" not in peer.seen(), f"the smarthost heard of the mail:\n{peer.seen()}")
        check(server.log().count("tls-wish=required") >= 2, f"the report has no wish:\n{server.log()}")
    finally:
        server.stop()
        peer.stop()
