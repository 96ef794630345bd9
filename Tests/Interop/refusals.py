"""What is refused, and that nothing of it arrives."""

import smtplib
import subprocess
import threading

from clients import SClient, smtplib_submits
from harness import CLIENT_SECONDS, Failed, Letter, case, check, program, run
from wire import Wire, encoded, plain, trusting

GROUP = "refusals"


def encrypted(bench, role="submissions"):
    """A connection inside TLS, before EHLO."""
    context = trusting(bench.dev.ca)
    if role == "submissions":
        wire = Wire(bench.dev.ports[role], context=context, implicit=True)
        wire.expect(220)
        return wire
    wire = Wire(bench.dev.ports[role], context=context)
    wire.expect(220)
    wire.ask("EHLO client.example.org", 250)
    wire.ask("STARTTLS", 220)
    wire.start_tls()
    return wire


def signed_in(bench, role="submissions"):
    """A connection inside TLS, after EHLO and AUTH."""
    wire = encrypted(bench, role)
    wire.ask("EHLO client.example.org", 250)
    wire.ask(f"AUTH PLAIN {plain(bench.dev.user, bench.dev.password)}", 235)
    return wire


def nothing_of(bench, letter):
    """A message sent later has arrived, and this one has not."""
    marker = smtplib_submits(bench, "submissions", "PLAIN")
    bench.dev.maildir.wait(marker)
    check(not bench.dev.maildir.holding(letter.token), "the refused message was delivered")


# Before TLS

@case("587 and 2525 offer STARTTLS and no AUTH before TLS", GROUP, ids=("AUTH-011", "AUTH-012"))
def offers_before_tls(bench):
    for role in ("submission", "alternate"):
        with Wire(bench.dev.ports[role]) as wire:
            wire.expect(220)
            offered = wire.ask("EHLO client.example.org", 250).keywords()
            check("STARTTLS" in offered, f"{role} should offer STARTTLS: {offered}")
            check("AUTH" not in offered, f"{role} should not offer AUTH in cleartext: {offered}")


@case("AUTH before STARTTLS is refused with 530, the right password and the wrong one alike", GROUP,
      ids=("AUTH-012", "ITLS-011"))
def auth_before_tls(bench):
    for role in ("submission", "alternate"):
        answers = set()
        for password in (bench.dev.password, "wrong"):
            with Wire(bench.dev.ports[role]) as wire:
                wire.expect(220)
                wire.ask("EHLO client.example.org", 250)
                answers.add(wire.ask(f"AUTH PLAIN {plain(bench.dev.user, password)}", 530).text)
        check(len(answers) == 1, f"the answers tell a right password from a wrong one: {answers}")


@case("MAIL before STARTTLS is refused with 530 and nothing arrives", GROUP, ids=("STLS-013",))
def mail_before_tls(bench):
    letter = Letter()
    for role in ("submission", "alternate"):
        with Wire(bench.dev.ports[role]) as wire:
            wire.expect(220)
            wire.ask("EHLO client.example.org", 250)
            reply = wire.ask(f"MAIL FROM:<{letter.sender}>", 530)
            check(reply.text.startswith("530 5.7.0"), f"530 5.7.0 expected: {reply}")
            wire.ask(f"RCPT TO:<{letter.to[0]}>", 530)
            wire.ask("DATA", 530)
            wire.ask("VRFY bob", 530)
            wire.ask("XYZZY", 530)
    nothing_of(bench, letter)


@case("before STARTTLS NOOP, RSET, HELO, EHLO and QUIT work", GROUP, ids=("STLS-013",))
def allowed_before_tls(bench):
    with Wire(bench.dev.ports["submission"]) as wire:
        wire.expect(220)
        for command in ("NOOP", "HELO client.example.org", "EHLO client.example.org", "RSET"):
            wire.ask(command, 250)
        wire.ask("STARTTLS now", 501)
        wire.ask("QUIT", 221)
        check(wire.ends(), "the connection should close after QUIT")


# Before AUTH

@case("MAIL before AUTH is refused with 530 on every submission port and nothing arrives", GROUP,
      ids=("SUB-002", "SUBOP-002", "ITLS-004"))
def mail_before_auth(bench):
    letter = Letter()
    for role in ("submissions", "submission", "alternate"):
        with encrypted(bench, role) as wire:
            wire.ask("EHLO client.example.org", 250)
            reply = wire.ask(f"MAIL FROM:<{letter.sender}>", 530)
            check(reply.text.startswith("530 5.7.0"), f"530 5.7.0 expected: {reply}")
            wire.ask(f"RCPT TO:<{letter.to[0]}>", 530, 503)
            wire.ask("DATA", 530, 503)
    nothing_of(bench, letter)


@case("inside TLS STARTTLS is no longer offered and AUTH is", GROUP,
      ids=("STLS-009", "STLS-010", "AUTH-013", "LOGIN-002"))
def offers_inside_tls(bench):
    for role in ("submissions", "submission", "alternate", "relay"):
        with encrypted(bench, role) as wire:
            offered = wire.ask("EHLO client.example.org", 250).keywords()
            check("STARTTLS" not in offered, f"{role} offers STARTTLS inside TLS: {offered}")
            wire.ask("STARTTLS", 503)
            if role == "relay":
                check("AUTH" not in offered, f"the relay port offers AUTH: {offered}")
                continue
            check({"PLAIN", "LOGIN"} <= set(offered.get("AUTH", "").split()), f"{role}: AUTH {offered.get('AUTH')}")
            for keyword in ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN"):
                check(keyword in offered, f"{role} should offer {keyword}: {offered}")
            check(offered.get("SIZE") == "52428800", f"{role}: SIZE {offered.get('SIZE')}")


@case("what was said before TLS is forgotten after it", GROUP, ids=("STLS-007",))
def forgotten(bench):
    with Wire(bench.dev.ports["relay"], context=trusting(bench.dev.ca)) as wire:
        wire.expect(220)
        wire.ask("EHLO client.example.org", 250)
        wire.ask("MAIL FROM:<alice@example.org>", 250)
        wire.ask("STARTTLS", 220)
        wire.start_tls()
        wire.ask("RCPT TO:<bob@example.net>", 503)


# Credentials

@case("a wrong password is answered 535 and nothing arrives", GROUP, ids=("AUTH-009",))
def wrong_password(bench):
    letter = Letter()
    with encrypted(bench) as wire:
        wire.ask("EHLO client.example.org", 250)
        reply = wire.ask(f"AUTH PLAIN {plain(bench.dev.user, 'not ' + bench.dev.password)}", 535)
        check(reply.text.startswith("535 5.7.8"), f"535 5.7.8 expected: {reply}")
        wire.ask(f"MAIL FROM:<{letter.sender}>", 530)
    nothing_of(bench, letter)


@case("an unknown user gets the same answer as a wrong password", GROUP)
def unknown_user(bench):
    answers = []
    for user in (bench.dev.user, "nobody-" + bench.dev.user):
        with encrypted(bench) as wire:
            wire.ask("EHLO client.example.org", 250)
            answers.append(wire.ask(f"AUTH PLAIN {plain(user, 'guess')}", 535).text)
    check(answers[0] == answers[1], f"the answers tell who exists: {answers}")


@case("smtplib reports a wrong password as a failed login", GROUP)
def smtplib_wrong_password(bench):
    with smtplib.SMTP_SSL("localhost", bench.dev.ports["submissions"], context=trusting(bench.dev.ca)) as server:
        try:
            server.login(bench.dev.user, "guess")
        except smtplib.SMTPAuthenticationError as refusal:
            check(refusal.smtp_code == 535, f"535 expected, got {refusal.smtp_code}")
            return
    raise Failed("a wrong password was accepted")


@case("AUTH cancelled with * leaves a usable session, and no second AUTH is taken", GROUP,
      ids=("AUTH-001", "AUTH-002", "AUTH-003", "AUTH-005", "AUTH-007"))
def auth_dialogue(bench):
    with encrypted(bench) as wire:
        wire.ask("EHLO client.example.org", 250)
        wire.ask("AUTH FOO", 504)
        check(wire.ask("AUTH PLAIN", 334).text == "334 ", "an empty challenge is `334 ` with its space")
        wire.ask("*", 501)
        wire.ask("AUTH PLAIN", 334)
        wire.ask("not base64!", 501)
        check(wire.ask("AUTH LOGIN", 334).text == "334 VXNlcm5hbWU6", "LOGIN asks for Username:")
        wire.ask(encoded(bench.dev.user), 334)
        wire.ask(encoded(bench.dev.password), 235)
        wire.ask(f"AUTH PLAIN {plain(bench.dev.user, bench.dev.password)}", 503)
        wire.ask("MAIL FROM:<alice@example.org>", 250)


# Order, size and address

@case("commands out of order are answered 503 and the session goes on", GROUP, ids=("SMTP-013", "SMTP-012"))
def out_of_order(bench):
    with signed_in(bench) as wire:
        wire.ask("RCPT TO:<bob@example.net>", 503)
        wire.ask("DATA", 503)
        wire.ask("MAIL FROM:<alice@example.org>", 250)
        wire.ask("MAIL FROM:<alice@example.org>", 503)
        wire.ask("RCPT TO:<bob@example.net>", 250)
        wire.ask("EHLO client.example.org", 250)
        wire.ask("DATA", 503)
        wire.ask("QUIT", 221)


@case("a size declared above the limit is refused at MAIL", GROUP, ids=("SIZE-002",))
def declared_size(bench):
    with signed_in(bench) as wire:
        wire.ask("MAIL FROM:<alice@example.org> SIZE=52428801", 552)
        wire.ask("MAIL FROM:<alice@example.org> SIZE=52428800", 250)


@case("addresses that are not addresses are refused by name", GROUP, ids=("SUB-003", "SUB-005", "SMTP-055"))
def bad_addresses(bench):
    with signed_in(bench) as wire:
        wire.ask("MAIL FROM:<alice@example.org> FOO=1", 555)
        wire.ask("MAIL FROM:<alice@host>", 554)
        wire.ask("MAIL FROM:<>", 250)
        wire.ask("RCPT TO:<a..b@example.net>", 501)
        wire.ask("RCPT TO:<bob@example.net>", 250)


# TLS itself

@case("TLS 1.1 is refused with an alert, as openssl s_client sees it", GROUP, ids=("ITLS-007", "TLSB-001"))
def old_tls(bench):
    for role, options in (("submissions", []), ("submission", ["-starttls", "smtp"])):
        code, output = run(
            [program("openssl", "openssl"), "s_client", "-connect", f"localhost:{bench.dev.ports[role]}", "-tls1_1",
             "-cipher", "DEFAULT:@SECLEVEL=0", *options], timeout=CLIENT_SECONDS)
        check(code != 0 and "alert protocol version" in output,
              f"{role}: an alert `protocol version` was expected, exit {code}:\n{output[-1500:]}")


@case("TLS 1.2 and 1.3 are both spoken", GROUP, ids=("ITLS-006", "TLSB-002"))
def current_tls(bench):
    for version, expected in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        client = SClient(bench, bench.dev.ports["submissions"], version)
        try:
            check(client.reply().startswith("220"), f"no greeting over {expected}")
            client.submit(bench, Letter())
        finally:
            client.close()


@case("no client certificate is asked for", GROUP, ids=("ITLS-012",))
def no_client_certificate(bench):
    _, output = run(
        [program("openssl", "openssl"), "s_client", "-connect", f"localhost:{bench.dev.ports['submissions']}",
         "-CAfile", bench.dev.ca, "-msg"], standard_input=b"QUIT\r\n")
    check("Verify return code: 0" in output, f"the certificate did not verify:\n{output[-1500:]}")
    check("CertificateRequest" not in output, "the server asked for a client certificate")


def s_client(bench, *options):
    """All that `openssl s_client` tells of a connection to 465 that the server closes."""
    _, output = run(
        [program("openssl", "openssl"), "s_client", "-connect", f"localhost:{bench.dev.ports['submissions']}",
         "-CAfile", bench.dev.ca, "-crlf", "-ign_eof", *options], standard_input=b"quit\n", timeout=CLIENT_SECONDS)
    return output


@case("TLS 1.2 has extended master secrets and safe renegotiation, and no client may renegotiate", GROUP,
      ids=("TLSB-007",))
def renegotiation(bench):
    output = s_client(bench, "-tls1_2")
    for words in ("Secure Renegotiation IS supported", "Extended master secret: yes"):
        check(words in output, f"{words!r} is missing:\n{output[-1500:]}")
    # Its command `R` is heard only while its input stays open.
    with subprocess.Popen(
            [program("openssl", "openssl"), "s_client", "-connect", f"localhost:{bench.dev.ports['submissions']}",
             "-CAfile", bench.dev.ca, "-tls1_2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as client:
        alarm = threading.Timer(CLIENT_SECONDS, client.kill)
        alarm.start()
        try:
            while not (line := client.stdout.readline()).startswith(b"220 "):
                check(line, "no greeting came")
            client.stdin.write(b"R\n")
            client.stdin.flush()
            rest = client.stdout.read().decode("utf-8", "replace")
        finally:
            alarm.cancel()
            client.kill()
    check("RENEGOTIATING" in rest, f"s_client did not try:\n{rest[-1500:]}")
    # A second handshake would show the certificate again; the server ends the connection instead.
    check("verify return" not in rest, f"the server renegotiated:\n{rest[-1500:]}")
    check("no renegotiation" in rest or "unexpected eof" in rest, f"the connection went on:\n{rest[-1500:]}")


@case("no early data is taken with a session's ticket", GROUP, ids=("TLSB-009",))
def no_early_data(bench):
    place = bench.place("early-data")
    session, early = place / "session", place / "early"
    output = s_client(bench, "-tls1_3", "-sess_out", session)
    check("Max Early Data: 0" in output, f"a ticket for TLS 1.3 without early data was expected:\n{output[-1500:]}")
    early.write_bytes(b"EHLO early.example\r\n")
    output = s_client(bench, "-tls1_3", "-sess_in", session, "-early_data", early)
    check("Early data was not sent" in output or "Early data was rejected" in output,
          f"early data was taken:\n{output[-1500:]}")
    check("PIPELINING" not in output, "a command in early data was answered")
