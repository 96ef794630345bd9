"""`martlet trace --live` beside a server at work: what it shows, what it never shows, and that nobody waits for it."""

import json
import re
import signal
import subprocess
import time
from pathlib import Path

from harness import ARRIVAL_SECONDS, Background, Letter, case, check, run
from mail_exchangers import arrives_at
from next_hops import smarthost_settings
from peers.smarthost import Smarthost
from peers.world import goes_out, world
from serve import LOCAL, PASSWORD, USER, Serve
from wire import Wire, encoded, plain, trusting

GROUP = "relay"
# A watcher may have so many lines waiting.
WAITING_LINES = 2048
# What a server may grow by because somebody watches and doesn't read: 2,048 lines of 1,000 octets, and buffers.
MOST_GROWTH = 24 << 20
MOST_WATCHERS = 4


class Watcher:
    """`martlet trace --live` on a server, begun when it says that it watches."""

    def __init__(self, bench, server, *options, started=True, **settings):
        command = [bench.martlet, "trace", "--live", "--config", server.config, *options]
        self.background = Background(command, bench.place("watcher") / "lines", **settings)
        if started:
            self.shows("martlet: watching")

    @property
    def process(self):
        return self.background.process

    def said(self):
        return self.background.output()

    def shows(self, words, seconds=ARRIVAL_SECONDS):
        until = time.monotonic() + seconds
        while words.lower() not in self.said().lower():
            check(time.monotonic() < until and self.process.poll() is None,
                  f"{words!r} was not shown; the watcher says:\n{self.said()[-3000:]}")
            time.sleep(0.05)

    def sessions(self):
        """The lines of each session, by its name."""
        found = {}
        for line in self.said().splitlines():
            if match := re.match(r"\d\d:\d\d:\d\d\.\d{3} (\S+) (.*)", line):
                found.setdefault(match[1], []).append(match[2])
        return found

    def interrupt(self):
        """Ctrl-C, and how the command ended."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
        self.background.stop()


def from_outside(port, letter, source=None):
    """The letter, from a server anywhere."""
    with Wire(port, source=source) as wire:
        wire.expect(220)
        wire.ask("EHLO outside.example", 250)
        wire.ask(f"MAIL FROM:<{letter.sender}>", 250)
        for recipient in letter.to:
            wire.ask(f"RCPT TO:<{recipient}>", 250)
        wire.ask("DATA", 354)
        wire.send(letter.stuffed())
        wire.expect(250, of="the end of data")
        wire.ask("QUIT", 221)


@case("trace --live shows mail that comes and goes as each filter asks, and never a password or a letter", GROUP)
def filters(bench):
    there = world(bench)
    server = there.martlet
    with Watcher(bench, server) as everything, Watcher(bench, server, "--domain", "watched.example") as domain, \
            Watcher(bench, server, "--listener", "relay", "--address", "eve@outside.example") as relay, \
            Watcher(bench, server, "--address", "carol@unwatched.example", "--json") as address:
        body = "the reed warbler keeps this to itself\n"
        letters = [goes_out(bench, "bob@watched.example", body=body),
                   goes_out(bench, "carol@unwatched.example", body=body)]
        inward = Letter(sender="eve@outside.example", to=[f"bob@{LOCAL}"], body=body)
        from_outside(server.ports["relay"], inward)
        arrives_at(there.hosts["seen"], letters[0])
        for recipient in ("bob@watched.example", "carol@unwatched.example"):
            server.event("recipient.delivered", recipient)
        for shown, words in ((everything, "RCPT TO:<carol@unwatched.example>"), (relay, "queued as"), (address, "250"),
                             (domain, "RCPT TO:<bob@watched.example>")):
            shown.shows(words)

        # Both sides of one letter, the session that brought it and the one that took it away.
        def whole():
            lines = [line.lower() for session in everything.sessions().values() for line in session]
            return all(f"{arrow} rcpt to:<bob@watched.example>" in lines for arrow in ("<~", "->"))
        until = time.monotonic() + ARRIVAL_SECONDS
        while not whole():
            check(time.monotonic() < until, f"both sides were to be shown:\n{everything.said()[-6000:]}")
            time.sleep(0.05)
        time.sleep(0.5)
        watchers = (everything, domain, relay, address)
        for shown in watchers:
            for secret in (PASSWORD, plain(USER, PASSWORD), encoded(PASSWORD), "reed warbler", letters[0].token,
                           letters[1].token, inward.token):
                check(secret not in shown.said(), f"{secret!r} was shown:\n{shown.said()[-3000:]}")
        check("AUTH PLAIN (redacted)" in everything.said(), f"AUTH is shown without its octets:\n{everything.said()}")
        check(re.search(r"\(\d+ octets of content\)", everything.said()), "of content its length is shown")
        check(re.search(r"== submissions, from 127\.0\.0\.1", everything.said()), "whom a session is with")
        check(re.search(r"== to seen\.example", everything.said()), "which host a connection goes to")
        check("unwatched.example" not in domain.said() and "eve@" not in domain.said(), f"the domain:\n{domain.said()}")
        check("submissions" not in relay.said() and "alice@" not in relay.said(), f"the listener:\n{relay.said()}")
        check(len(relay.sessions()) == 1, f"one session brought eve's letter: {relay.said()}")
        lines = [json.loads(line) for line in address.said().splitlines() if line.startswith("{")]
        check({line["role"] for line in lines} == {"submissions", "outgoing"}, f"both sides in JSON: {lines}")
        check(not any("@watched.example" in line["text"] for line in lines), "another's letter in JSON")
        check(all(set(line) == {"time", "session", "role", "peer", "kind", "tls", "text"} for line in lines),
              f"the keys of a line: {lines[0]}")


@case("trace --live shows no octet of any way to log in, ours at a smarthost and a user's at us", GROUP,
      ids=("AUTH-009",))
def log_ins(bench):
    peer = Smarthost(bench.place("smarthost"), "implicit", without=["PLAIN"])
    server = Serve(bench.martlet, bench.place("serve"), trust=peer.ca,
                   smarthost=smarthost_settings(bench, peer.port, "implicit", peer.user, peer.password))
    wrong = "moorhen-in-the-moss-3"
    try:
        with Watcher(bench, server) as shown:
            with Wire(server.ports["submission"], context=trusting(server.ca)) as wire:
                wire.expect(220)
                wire.ask("EHLO client.example.org", 250)
                wire.ask("STARTTLS", 220)
                wire.start_tls()
                wire.ask("EHLO client.example.org", 250)
                wire.ask("AUTH LOGIN", 334)
                wire.ask(encoded(USER), 334)
                wire.ask(encoded(wrong), 535)
                # What a client that takes the 535 for a question sends next.
                wire.ask(wrong)
                wire.ask(encoded(wrong))
                wire.ask(f"AUTH PLAIN {plain(USER, wrong)}", 535)
                wire.ask("QUIT", 221)
            letter = Letter(sender="alice@example.org", to=["bob@example.net"])
            server.submit(letter, role="submission")
            peer.maildir.wait(letter)
            shown.shows("RCPT TO:<bob@example.net>")
            shown.shows("== to localhost")
            time.sleep(0.5)
            for secret in (wrong, PASSWORD, peer.password, USER + "\0", letter.token):
                for form in (secret, encoded(secret)):
                    check(form not in shown.said(), f"{form!r} was shown:\n{shown.said()[-4000:]}")
            for secret in (plain(USER, wrong), plain(USER, PASSWORD), plain(peer.user, peer.password)):
                check(secret not in shown.said(), f"{secret!r} was shown:\n{shown.said()[-4000:]}")
            check(re.search(r"~> AUTH LOGIN", shown.said()), f"our own log-in is to be seen:\n{shown.said()[-4000:]}")
    finally:
        server.stop()
        peer.stop()


@case("trace --live ends by Ctrl-C, by a closed pipe and with the server, and the server goes on after the first two",
      GROUP)
def endings(bench):
    server = Serve(bench.martlet, bench.place("serve"), deliver="discard")
    try:
        letters = 0

        def goes_on():
            nonlocal letters
            letters += 1
            from_outside(server.ports["relay"], Letter(sender="eve@elsewhere.example", to=[f"bob@{LOCAL}"]))

        # As often as would fill the places of watchers twice.
        for _ in range(2 * MOST_WATCHERS):
            with Watcher(bench, server) as shown:
                goes_on()
                shown.shows("queued as")
                check(shown.interrupt() in (0, 130, -signal.SIGINT), f"Ctrl-C ended it with {shown.process.returncode}")
                check("error" not in shown.said().lower(), f"something was said at its end:\n{shown.said()[-500:]}")
        with Watcher(bench, server, started=False, stdout=subprocess.PIPE) as shown:
            shown.shows("martlet: watching")
            goes_on()
            check(b"== relay" in shown.process.stdout.readline(), "the first line names the session")
            shown.process.stdout.close()
            until = time.monotonic() + ARRIVAL_SECONDS
            while shown.process.poll() is None:
                check(time.monotonic() < until, "a closed pipe did not end it")
                goes_on()
                time.sleep(0.1)
            check(shown.process.returncode in (0, -signal.SIGPIPE), f"it ended with {shown.process.returncode}")
            check("watching; Ctrl-C ends it" in shown.said() and len(shown.said().splitlines()) == 1,
                  f"nothing is to be said of it:\n{shown.said()}")
        places = []
        try:
            for _ in range(MOST_WATCHERS):
                places.append(Watcher(bench, server))
            code, said = run([bench.martlet, "trace", "--live", "--config", server.config])
            check(code == 75 and "try again" in said, f"one too many is told so: {code} {said}")
            goes_on()
            server.stop()
            for shown in places:
                check(shown.process.wait(10) == 0, f"the server's end ended it with {shown.process.returncode}")
                check("the server has stopped" in shown.said(), shown.said()[-500:])
        finally:
            for shown in places:
                shown.background.stop()
        code, said = run([bench.martlet, "trace", "--live", "--config", server.config])
        check(code == 69, f"no server runs: {code} {said}")
    finally:
        server.stop()


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) << 10


def many(port, count):
    """So many letters over one connection, with long lines; the seconds they took."""
    sender = "a" * 60 + "@" + ".".join(["b" * 50] * 3) + ".example"
    letter = Letter(sender=sender, to=[f"bob@{LOCAL}"])
    started = time.monotonic()
    sent = 0
    while sent < count:
        with Wire(port) as wire:
            wire.expect(220)
            wire.ask("EHLO outside.example", 250)
            for _ in range(min(100, count - sent)):
                wire.ask(f"MAIL FROM:<{sender}>", 250)
                wire.ask(f"RCPT TO:<{letter.to[0]}>", 250)
                wire.ask("DATA", 354)
                wire.send(letter.stuffed())
                wire.expect(250, of="the end of data")
                sent += 1
            wire.ask("QUIT", 221)
    return time.monotonic() - started


@case("a stopped reader of trace --live slows no session, takes no memory, and is told how much it has missed", GROUP)
def stopped_reader(bench):
    server = Serve(bench.martlet, bench.place("serve"), deliver="discard")
    try:
        port = server.ports["relay"]
        many(port, 100)
        with Watcher(bench, server) as shown:
            read = many(port, 100)
            shown.process.send_signal(signal.SIGSTOP)
            before = resident(server.pid)
            # 8 lines each: the ring is full after 256 of them, behind what the socket holds.
            unread = many(port, 700) / 7
            growth = resident(server.pid) - before
            check(growth < MOST_GROWTH, f"the server has grown by {growth} bytes")
            check(unread < 4 * read + 2, f"100 letters took {unread:.2f} s beside a stopped reader, {read:.2f} s else")
            shown.process.send_signal(signal.SIGCONT)
            shown.shows("lines lost)")
            # What happens now is seen again, and what was not seen was counted.
            from_outside(port, Letter(sender="eve@at-the-end.example", to=[f"bob@{LOCAL}"]))
            shown.shows("MAIL FROM:<eve@at-the-end.example>")
            shown.shows("closed: quit")
            lost = sum(int(found) for found in re.findall(r"\((\d+) lines? lost\)", shown.said()))
            seen = sum(len(lines) for lines in shown.sessions().values())
            check(lost > 0 and seen + lost > 8 * 800, f"{seen} lines seen and {lost} lost: fewer than were said")
        return f"100 letters: {read:.2f} s beside a reader, {unread:.2f} s beside a stopped one; {lost} lines lost"
    finally:
        server.stop()


@case("a command says that it waits where the server hangs, and is answered when that goes on", GROUP)
def hanging(bench):
    server = Serve(bench.martlet, bench.place("serve"), deliver="discard")
    try:
        server.background.process.send_signal(signal.SIGSTOP)
        asking = Background([bench.martlet, "queue", "status", "--config", server.config],
                            bench.place("status") / "said")
        try:
            until = time.monotonic() + ARRIVAL_SECONDS
            while "has not answered yet" not in asking.output():
                check(time.monotonic() < until, f"nobody is told that the server hangs:\n{asking.output()}")
                time.sleep(0.1)
            server.background.process.send_signal(signal.SIGCONT)
            check(asking.process.wait(10) == 0 and "Martlet" in asking.output(), f"no answer:\n{asking.output()}")
        finally:
            asking.stop()
    finally:
        server.background.process.send_signal(signal.SIGCONT)
        server.stop()
