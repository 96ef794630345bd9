"""`recipients: ask-lmtp` with a real Dovecot: it is asked at RCPT, and its answers outlive it for a while."""

import time

from harness import ARRIVAL_SECONDS, Letter, case, check
from peers.dovecot import Dovecot
from serve import LOCAL, Serve
from wire import Wire, plain, trusting

GROUP = "relay"


class Inquirer:
    """Martlet, and a Dovecot that knows bob and carol and has no postmaster."""

    def __init__(self, bench):
        self.dovecot = Dovecot(bench.place("dovecot-users"), users=[f"bob@{LOCAL}", f"carol@{LOCAL}", f"dave@{LOCAL}"])
        self.server = Serve(bench.martlet, bench.place("inquirer"), recipients="ask-lmtp", aliases="{postmaster: bob}",
                            deliver=f"{{lmtp: '127.0.0.1:{self.dovecot.port}'}}")

    def relay(self):
        """A connection from anywhere, past its MAIL."""
        wire = Wire(self.server.ports["relay"])
        wire.expect(220)
        wire.ask("EHLO somewhere.example", 250)
        wire.ask("MAIL FROM:<eve@elsewhere.example>", 250)
        return wire

    def asks(self, name, code, status):
        """One recipient by its own connection, so that no session's bounds come into it."""
        with self.relay() as wire:
            reply = wire.ask(f"RCPT TO:<{name}@{LOCAL}>")
            check(reply.code == code and reply.lines[0][4:].startswith(status + " "),
                  f"{name}: {code} {status} expected, got {reply}")
            wire.ask("QUIT", 221)

    def brings(self, letter):
        with self.relay() as wire:
            for recipient in letter.to:
                wire.ask(f"RCPT TO:<{recipient}>", 250)
            wire.ask("DATA", 354)
            wire.send(letter.stuffed())
            wire.expect(250, of="the end of data")

    def stop(self):
        self.server.stop()
        self.dovecot.stop()


def inquirer(bench):
    return bench.once("inquirer", lambda: Inquirer(bench))


@case("whom Dovecot knows is accepted at RCPT and gets the mail; whom it doesn't is refused with 550 5.1.1", GROUP,
      ids=("DSN-017",))
def asked(bench):
    there = inquirer(bench)
    there.asks("bob", 250, "2.1.5")
    there.asks("nobody", 550, "5.1.1")
    letter = Letter(sender="eve@elsewhere.example", to=[f"bob@{LOCAL}"])
    there.brings(letter)
    found, = there.dovecot.maildir(f"bob@{LOCAL}").wait(letter)
    check(found.text.endswith(letter.text), "the message changed on its way")
    # A question is no message: nothing else has come.
    files = list((there.dovecot.maildir(f"bob@{LOCAL}").path / "new").iterdir())
    check(len(files) == 1, f"a question left something in the mailbox: {files}")


@case("a user who submits is told of a recipient whom Dovecot doesn't know as well", GROUP)
def submission(bench):
    there = inquirer(bench)
    server = there.server
    with Wire(server.ports["submissions"], context=trusting(server.ca), implicit=True) as wire:
        wire.expect(220)
        wire.ask("EHLO client.example.org", 250)
        wire.ask(f"AUTH PLAIN {plain(server.user, server.password)}", 235)
        wire.ask(f"MAIL FROM:<alice@{LOCAL}>", 250)
        reply = wire.ask(f"RCPT TO:<nobody-at-all@{LOCAL}>", 550)
        check(reply.lines[0][4:].startswith("5.1.1 "), f"5.1.1 expected: {reply}")
        wire.ask(f"RCPT TO:<carol@{LOCAL}>", 250)


@case("while Dovecot is stopped its answers still count, who was never asked about waits, and no mail is lost", GROUP)
def stopped(bench):
    there = inquirer(bench)
    there.asks("bob", 250, "2.1.5")
    there.asks("ghost", 550, "5.1.1")
    there.dovecot.stop()
    try:
        there.asks("bob", 250, "2.1.5")
        there.asks("ghost", 550, "5.1.1")
        there.asks("dave", 451, "4.3.0")
        # RFC 5321 §4.5.1: an alias that leads to one who is known by now; nobody is asked about it.
        there.asks("postmaster", 250, "2.1.5")
        letter = Letter(sender="eve@elsewhere.example", to=[f"bob@{LOCAL}", f"postmaster@{LOCAL}"])
        there.brings(letter)
        check("recipients-unchecked" in there.server.background.output(), "no alarm tells that Dovecot is silent")
    finally:
        there.dovecot.start()
    there.dovecot.maildir(f"bob@{LOCAL}").wait(letter)
    until = time.monotonic() + ARRIVAL_SECONDS
    while True:
        with there.relay() as wire:
            reply = wire.ask(f"RCPT TO:<dave@{LOCAL}>")
        if reply.code == 250:
            break
        check(time.monotonic() < until, f"dave is still not taken though Dovecot runs again: {reply}")
        time.sleep(0.2)
