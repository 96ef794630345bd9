"""Streams that no honest client sends: bytes behind STARTTLS, false ends of data, the wrong wrapper, an early FIN."""

import json
import ssl
import time

from harness import Letter, case, check
from refusals import encrypted, nothing_of, signed_in
from wire import Closed, Wire, trusting

GROUP = "refusals"


# The STARTTLS line

@case("bytes behind STARTTLS close the connection", GROUP, ids=("STLS-005",))
def injection(bench):
    context = trusting(bench.dev.ca)
    for role in ("submission", "alternate", "relay"):
        for behind in ("NOOP\r\n", "EHLO injected.example\r\n", "N", "\r\n"):
            with Wire(bench.dev.ports[role], context=context) as wire:
                wire.expect(220)
                wire.ask("EHLO client.example.org", 250)
                wire.send("STARTTLS\r\n" + behind)
                try:
                    wire.reply()
                    wire.start_tls()
                except (Closed, ConnectionError, ssl.SSLError):
                    pass
                check(wire.tls is None, f"{role}: {behind!r} came along behind STARTTLS and TLS was started")
                check(wire.ends(), f"{role}: {behind!r} behind STARTTLS left the connection open")
                check(b"250" not in wire.buffer, f"{role}: an injected command was answered: {wire.buffer!r}")


# The end of data

FALSE_ENDS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CRLF.CR": b"\r\n.\r",
    "CR.CRLF": b"\r.\r\n", "LF.CR": b"\n.\r", "NUL": b"\r\n\0.\r\n", "CRCRLF": b"\r\r\n.\r\r\n",
}


@case("only CRLF.CRLF ends a message: no other sequence lets a second one be smuggled in", GROUP,
      ids=("SMUG-001", "SMTP-005", "SMTP-007"))
def smuggling(bench):
    for name, sequence in FALSE_ENDS.items():
        letter, smuggled = Letter(), Letter()
        with signed_in(bench) as wire:
            wire.ask(f"MAIL FROM:<{letter.sender}>", 250)
            wire.ask(f"RCPT TO:<{letter.to[0]}>", 250)
            wire.ask("DATA", 354)
            wire.send(letter.wire + b"end" + sequence
                      + b"MAIL FROM:<mallory@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n"
                      + smuggled.stuffed())
            reply = wire.reply()
            check(reply.code >= 500, f"{name}: a bare CR, LF or NUL should be refused: {reply}")
            # One message, one reply: the server waits for the next command.
            wire.ask("NOOP", 250)
            nothing_of(bench, smuggled)
            check(not bench.dev.maildir.holding(letter.token), f"{name}: the carrier message was delivered")


# The wrong wrapper

@case("465 says nothing before the handshake", GROUP, ids=("ITLS-002",))
def silent_465(bench):
    with Wire(bench.dev.ports["submissions"]) as wire:
        wire.socket.settimeout(2)
        try:
            early = wire.read()
        except TimeoutError:
            return
        check(False, f"465 sent {early!r} before the handshake")


@case("a client that does not trust the certificate is named for it in the log", GROUP)
def mistrusted(bench):
    for role in ("submissions", "submission"):
        with Wire(bench.dev.ports[role], context=ssl.create_default_context()) as wire:
            if role == "submission":
                wire.expect(220)
                wire.ask("EHLO client.example.org", 250)
                wire.ask("STARTTLS", 220)
            try:
                wire.start_tls()
                check(False, "a certificate of nobody's was taken: this case proves nothing")
            except ssl.SSLCertVerificationError:
                check(wire.ends(), f"{role}: the server waits on")
    until = time.monotonic() + 10
    said = "the other side doesn't trust the issuer of our certificate (alert unknown_ca)"
    while bench.dev.background.output().count(said) < 2:
        check(time.monotonic() < until, f"{said!r} was not said of both:\n{bench.dev.log()}")
        time.sleep(0.05)


@case("SMTP spoken in cleartext to 465 is never answered as commands, and closed", GROUP)
def smtp_on_465(bench):
    with Wire(bench.dev.ports["submissions"]) as wire:
        wire.send("EHLO client.example.org\r\n")
        check(wire.ends(), "465 left a cleartext client waiting")
        check(b"250" not in wire.received, f"465 answered EHLO in cleartext: {wire.received!r}")
        port = wire.socket.getsockname()[1]
    # The mistake is named under the id that the connection's other lines have.
    until = time.monotonic() + 10
    while True:
        events = [json.loads(line) for line in bench.dev.background.output().splitlines() if f":{port}\"" in line]
        sessions = {event["event"]: event["session"] for event in events}
        if "session.closed" in sessions:
            break
        check(time.monotonic() < until, f"the end of the session should be logged: {events}")
        time.sleep(0.05)
    check(sessions.get("session.wrong-wrapper") == sessions["session.closed"], f"two sessions for one: {events}")


@case("silence on 465 is closed after about 15 seconds", GROUP)
def silence_on_465(bench):
    started = time.monotonic()
    with Wire(bench.dev.ports["submissions"]) as wire:
        wire.socket.settimeout(25)
        check(wire.ends(), "465 keeps a silent client for more than 25 s")
    check(time.monotonic() - started > 5, "465 gave a silent client less than 5 s")


@case("TLS spoken to 587 is closed and never answered as commands", GROUP)
def tls_on_587(bench):
    with Wire(bench.dev.ports["submission"], context=trusting(bench.dev.ca)) as wire:
        wire.expect(220)
        try:
            wire.start_tls()
        except (ssl.SSLError, Closed, ConnectionError):
            pass
        check(wire.tls is None, "587 took a handshake without STARTTLS")
        check(wire.ends(), "587 left a TLS client waiting")


@case("an HTTP request to 587 is closed, and none of it is repeated in the answer", GROUP, ids=("ALP-002",))
def http_on_587(bench):
    for request in ("GET /secret-path HTTP/1.1\r\nHost: secret-path.example\r\n\r\n",
                    "POST /secret-path HTTP/1.1\r\nHost: secret-path.example\r\nContent-Length: 6\r\n\r\nNOOP\r\n"):
        with Wire(bench.dev.ports["submission"]) as wire:
            wire.expect(220)
            wire.send(request)
            check(wire.ends(), f"587 left {request.split()[0]} waiting")
            check(b"secret-path" not in wire.received, f"587 repeats the request: {wire.received!r}")
            check(wire.received.count(b"\r\n") <= 2, f"587 went on answering after {request[:4]}: {wire.received!r}")


# The end of the stream

def pipelined(letter, last="QUIT\r\n"):
    return (f"MAIL FROM:<{letter.sender}>\r\nRCPT TO:<{letter.to[0]}>\r\nBDAT {len(letter.wire)} LAST\r\n".encode()
            + letter.wire + last.encode())


def finishes_early(bench, wire, last, politely=False):
    letter = Letter()
    wire.send(pipelined(letter, last))
    wire.finish(politely)
    codes = [wire.reply().code for _ in range(4)]
    check(codes == [250, 250, 250, 221 if last.startswith("QUIT") else 250], f"four replies were due: {codes}")
    check(wire.ends(), "the connection stayed open behind the last reply")
    check(not wire.buffer, f"said behind the last reply: {wire.buffer!r}")
    for delivered in bench.dev.maildir.wait(letter):
        delivered.check_intact(letter)


LASTS = ("QUIT\r\n", "NOOP\r\n")


@case("a FIN behind pipelined commands still gets every reply inside TLS", GROUP, ids=("PIPE-003",))
def early_fin_tls(bench):
    for role in ("submissions", "submission"):
        for last in LASTS:
            with signed_in(bench, role) as wire:
                finishes_early(bench, wire, last)


@case("a close_notify behind pipelined commands still gets every reply", GROUP, ids=("PIPE-003",))
def early_close_notify(bench):
    for role in ("submissions", "submission"):
        for last in LASTS:
            with signed_in(bench, role) as wire:
                finishes_early(bench, wire, last, politely=True)


@case("a FIN behind pipelined commands still gets every reply in cleartext on 25", GROUP, ids=("PIPE-003",))
def early_fin_relay(bench):
    for last in LASTS:
        with Wire(bench.dev.ports["relay"]) as wire:
            wire.expect(220)
            wire.ask("EHLO client.example.org", 250)
            finishes_early(bench, wire, last)


@case("a message cut off by a FIN in the middle of its data never arrives", GROUP)
def cut_off(bench):
    letter = Letter()
    with signed_in(bench) as wire:
        wire.ask(f"MAIL FROM:<{letter.sender}>", 250)
        wire.ask(f"RCPT TO:<{letter.to[0]}>", 250)
        wire.ask("DATA", 354)
        wire.send(letter.wire)
        wire.finish()
        wire.ends()
        check(b"\r\n250" not in wire.buffer and not wire.buffer.startswith(b"250"), "half a message was answered 250")
    nothing_of(bench, letter)


@case("a message sent byte by byte arrives as one sent whole", GROUP, ids=("SMUG-007", "PIPE-003"))
def byte_by_byte(bench):
    letter = Letter(body=".dots\n..\nand an end\n")
    with Wire(bench.dev.ports["relay"]) as wire:
        wire.expect(220)
        dialogue = (f"EHLO client.example.org\r\nMAIL FROM:<{letter.sender}>\r\nRCPT TO:<{letter.to[0]}>\r\n"
                    "DATA\r\n").encode()
        for octet in dialogue:
            wire.send(bytes([octet]))
        for code in (250, 250, 250, 354):
            wire.expect(code, of="the dialogue")
        for octet in letter.stuffed():
            wire.send(bytes([octet]))
        wire.expect(250, of="the end of data")
    for delivered in bench.dev.maildir.wait(letter):
        delivered.check_intact(letter)


@case("an idle session hears 421 when the server is asked to stop", "durability",
      ids=("SMTP-022",))
def orderly_stop(bench):
    with encrypted(bench) as wire:
        wire.ask("EHLO client.example.org", 250)
        server, bench.server = bench.dev, None
        check(server.stop(), "martlet dev did not end within 20 s of SIGTERM")
        check(wire.ends(), "an idle session was left open")
        check(b"\r\n421 " in wire.received,
              f"an idle session should hear 421: {wire.received[-200:]!r}")
