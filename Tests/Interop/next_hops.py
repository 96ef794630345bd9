"""Mail that Martlet accepted is handed on to real servers over verified TLS, and to nobody who fails the check."""

import time

from harness import ARRIVAL_SECONDS, Letter, case, check
from peers.dovecot import Dovecot
from peers.postfix import DOMAIN, Postfix
from peers.smarthost import Smarthost
from serve import Serve

GROUP = "hops"


def smarthost_settings(bench, port, mode, user=None, password=None):
    """`outbound.smarthost` as the configuration file writes it."""
    settings = {"host": "localhost", "port": port, "tls": mode}
    if user:
        path = bench.place("secret") / "password"
        path.write_text(password + "\n")
        path.chmod(0o600)
        settings |= {"user": user, "password_file": path}
    return settings


def hands_on(bench, settings, trust, maildir, to, files=1):
    """Submits a letter to a Martlet with this smarthost, and finds it whole in the next hop's Maildir."""
    server = Serve(bench.martlet, bench.place("serve"), smarthost=settings, trust=trust)
    try:
        letter = Letter(sender="alice@example.org", to=[to])
        server.submit(letter)
        for delivered in maildir.wait(letter, files):
            check(delivered.text.endswith(letter.text), "the message changed on its way")
            traces = [trace for trace in delivered.fields("Received") if "by mail.example.org" in trace]
            check(len(traces) == 1 and "with ESMTPSA" in traces[0], f"Martlet's Received is missing: {traces}")
            return letter, delivered
    except Exception:
        print(server.log())
        raise
    finally:
        server.stop()


# Postfix

def dovecot(bench):
    return bench.once("dovecot", lambda: Dovecot(bench.place("dovecot")))


def postfix(bench):
    return bench.once("postfix", lambda: Postfix(bench.place("postfix"), sasl_socket=dovecot(bench).sasl))


def through_postfix(bench, mode):
    peer, accounts = postfix(bench), dovecot(bench)
    settings = smarthost_settings(bench, peer.ports[mode], mode, accounts.user, accounts.password)
    _, delivered = hands_on(bench, settings, peer.ca, peer.maildir, f"bob@{DOMAIN}")
    trace = delivered.fields("Received")[0]
    check("with ESMTPSA" in trace and "TLSv1.3" in trace, f"Postfix saw no authenticated TLS 1.3: {trace}")


@case("Postfix takes the mail as a smarthost with implicit TLS and AUTH", GROUP, ids=("TLSB-004",))
def postfix_implicit(bench):
    through_postfix(bench, "implicit")


@case("Postfix takes the mail as a smarthost with STARTTLS and AUTH", GROUP, ids=("TLSB-004",))
def postfix_starttls(bench):
    through_postfix(bench, "starttls")


# aiosmtpd

def through_aiosmtpd(bench, mode, without=()):
    peer = Smarthost(bench.place("smarthost"), mode, without=without)
    try:
        settings = smarthost_settings(bench, peer.port, mode, peer.user, peer.password)
        hands_on(bench, settings, peer.ca, peer.maildir, "bob@example.net")
        return peer.seen()
    finally:
        peer.stop()


@case("aiosmtpd takes the mail as a smarthost with implicit TLS and AUTH PLAIN", GROUP)
def aiosmtpd_implicit(bench):
    check("AUTH PLAIN" in through_aiosmtpd(bench, "implicit", ["LOGIN"]), "no AUTH PLAIN was said")


@case("aiosmtpd takes the mail as a smarthost with STARTTLS and AUTH PLAIN, after a second EHLO", GROUP,
      ids=("STLS-008",))
def aiosmtpd_starttls(bench):
    seen = through_aiosmtpd(bench, "starttls", ["LOGIN"])
    lines = seen.splitlines()
    check(lines.index("STARTTLS") < next(i for i, line in enumerate(lines) if line.startswith("AUTH")),
          f"AUTH before STARTTLS: {lines[:4]}")
    check(sum(line.startswith("EHLO") for line in lines) == 2, "EHLO is said again after TLS")


@case("aiosmtpd takes the mail as a smarthost that knows AUTH LOGIN alone", GROUP)
def aiosmtpd_login(bench):
    check("AUTH LOGIN" in through_aiosmtpd(bench, "implicit", ["PLAIN"]), "no AUTH LOGIN was said")


# Smarthosts that must not get anything

def gets_nothing(bench, peer, mode, trust, said, because):
    """The smarthost was spoken to, and neither the password nor the envelope was said; the queue says why."""
    server = Serve(bench.martlet, bench.place("serve"), trust=trust,
                   smarthost=smarthost_settings(bench, peer.port, mode, peer.user, peer.password))
    try:
        letter = Letter(sender="alice@example.org", to=["bob@example.net"])
        server.submit(letter)
        until = time.monotonic() + ARRIVAL_SECONDS
        while said not in peer.seen():
            check(time.monotonic() < until, f"Martlet never got as far as {said}:\n{server.log()}")
            time.sleep(0.05)
        time.sleep(3)  # two more attempts
        for word in ("AUTH", "MAIL", "RCPT", letter.token, "bob@example.net"):
            check(word not in peer.seen(), f"{word} was said to a smarthost that failed the check")
        check(not peer.maildir.holding(letter.token), "the message was handed over")
        check("bob@example.net" in server.queue(), "the message is no longer in the queue")
        check(because in server.queue(), f"the queue should say {because!r}: {server.queue()}")
    finally:
        server.stop()
        peer.stop()


@case("a smarthost whose certificate is for another name gets neither password nor mail", GROUP,
      ids=("AUTH-014", "STLS-015", "STLS-016", "ITLS-016", "TLSB-014"))
def wrong_name(bench):
    peer = Smarthost(bench.place("smarthost"), "starttls", name="other.example")
    gets_nothing(bench, peer, "starttls", peer.ca, "STARTTLS", "it is for other.example, not for localhost")


@case("a smarthost whose CA is not trusted gets neither password nor mail", GROUP, ids=("AUTH-014", "ITLS-003"))
def wrong_authority(bench):
    peer = Smarthost(bench.place("smarthost"), "starttls")
    stranger = Smarthost(bench.place("smarthost"), "implicit")
    try:
        gets_nothing(bench, peer, "starttls", stranger.ca, "STARTTLS", "no chain leads to a trusted authority")
    finally:
        stranger.stop()


@case("a smarthost whose STARTTLS was stripped gets neither password nor mail", GROUP,
      ids=("AUTH-014", "ITLS-016", "STLS-018"))
def stripped(bench):
    peer = Smarthost(bench.place("smarthost"), "cleartext")
    gets_nothing(bench, peer, "starttls", peer.ca, "EHLO", "STARTTLS")


@case("a smarthost that begins in clear on a port that is said to be TLS is named as that", GROUP)
def no_tls_there(bench):
    peer = Smarthost(bench.place("smarthost"), "starttls")
    server = Serve(bench.martlet, bench.place("serve"), trust=peer.ca,
                   smarthost=smarthost_settings(bench, peer.port, "implicit", peer.user, peer.password))
    try:
        server.submit(Letter(sender="alice@example.org", to=["bob@example.net"]))
        until = time.monotonic() + ARRIVAL_SECONDS
        while "the other side doesn't speak TLS here" not in server.queue():
            check(time.monotonic() < until, f"the queue should say what is wrong: {server.queue()}")
            time.sleep(0.1)
    finally:
        server.stop()
        peer.stop()


# What comes back

@case("a recipient whom the smarthost refuses for good is reported to the sender, once", GROUP,
      ids=("DSN-011", "SMTP-041"))
def refused_recipient(bench):
    peer = Smarthost(bench.place("smarthost"), "implicit")
    server = Serve(bench.martlet, bench.place("serve"), trust=peer.ca,
                   smarthost=smarthost_settings(bench, peer.port, "implicit", peer.user, peer.password))
    try:
        letter = Letter(sender="alice@example.org", to=["refused@example.net", "carol@example.net"])
        server.submit(letter)
        peer.maildir.wait(letter)
        report, = server.maildir.wait(letter)
        check(report.fields("Return-Path") == ["<>"], f"a report has the null sender: {report.fields('Return-Path')}")
        check("report-type=delivery-status" in report.text.replace('"', ""), "the report is no multipart/report")
        check("refused@example.net" in report.text and "550" in report.text, "the report does not name the refusal")
        check("rfc822;carol@example.net" not in report.text.replace(" ", ""), "the report names one that worked")
    finally:
        server.stop()
        peer.stop()


@case("mail waits while the smarthost is down, is tried again, and arrives once", GROUP)
def later(bench):
    # The smarthost comes up only after the first attempts.
    peer = Smarthost(bench.place("smarthost"), "implicit")
    peer.stop()
    server = Serve(bench.martlet, bench.place("serve"), trust=peer.ca,
                   smarthost=smarthost_settings(bench, peer.port, "implicit", peer.user, peer.password))
    try:
        letter = Letter(sender="alice@example.org", to=["bob@example.net"])
        server.submit(letter)
        time.sleep(1.5)
        peer.start()
        peer.maildir.wait(letter)
        time.sleep(2)
        check(len(peer.maildir.holding(letter.token)) == 1, "the message was delivered twice")
    finally:
        server.stop()
        peer.stop()


# Dovecot

def through_dovecot(bench, destination):
    server = Serve(bench.martlet, bench.place("serve"), deliver=destination)
    try:
        letter = Letter(sender="alice@example.org", to=["bob@example.org"])
        server.submit(letter)
        for delivered in dovecot(bench).maildir("bob@example.org").wait(letter):
            check(delivered.text.endswith(letter.text), "the message changed on its way")
            check(delivered.fields("Return-Path") == ["<alice@example.org>"], "Return-Path is not the sender")
            check("LMTP" in delivered.fields("Received")[0], "Dovecot saw no LMTP")
    finally:
        server.stop()


@case("Dovecot takes the mail by LMTP over a UNIX socket", GROUP)
def dovecot_socket(bench):
    through_dovecot(bench, f"{{lmtp: 'unix:{dovecot(bench).socket}'}}")


@case("Dovecot takes the mail by LMTP over a port of loopback", GROUP)
def dovecot_port(bench):
    through_dovecot(bench, f"{{lmtp: '127.0.0.1:{dovecot(bench).port}'}}")
