"""SIGHUP: the configuration is read again whole or not at all, and no session is dropped."""

import signal
import time

from harness import ARRIVAL_SECONDS, Letter, case, check, run
from serve import Serve
from wire import Wire

GROUP = "reloads"


def hang_up(server, expected):
    """Sends SIGHUP and waits until the log has one line more with all of `expected` in it."""
    def lines():
        return [line for line in server.background.output().splitlines() if all(part in line for part in expected)]

    before = len(lines())
    server.background.process.send_signal(signal.SIGHUP)
    until = time.monotonic() + ARRIVAL_SECONDS
    while len(lines()) == before:
        check(time.monotonic() < until, f"the log should say {expected}:\n{server.log()}")
        time.sleep(0.02)
    return lines()[before]


def change(server, *replacements):
    text = server.config.read_text()
    for old, new in replacements:
        check(old in text, f"the configuration should have {old!r}")
        text = text.replace(old, new)
    server.config.write_text(text)


def recipient(server, address, code):
    """What a new session is told about a recipient."""
    with Wire(server.ports["relay"]) as wire:
        wire.expect(220)
        wire.ask("EHLO mx.example.com", 250)
        wire.ask("MAIL FROM:<anna@example.com>", 250)
        wire.ask(f"RCPT TO:<{address}>", code)


@case("after SIGHUP a new recipient is accepted, by the session that is open and by new ones, and gets mail", GROUP)
def new_recipient(bench):
    server = Serve(bench.martlet, bench.place("reload"))
    try:
        with Wire(server.ports["relay"]) as wire:
            wire.expect(220)
            wire.ask("EHLO mx.example.com", 250)
            wire.ask("MAIL FROM:<anna@example.com>", 250)
            wire.ask("RCPT TO:<carol@example.org>", 550)
            change(server, ("[alice, bob, postmaster]", "[alice, bob, carol, postmaster]"),
                   ("outbound:", f"  second.example:\n    recipients: [postmaster]\n"
                                 f"    deliver: {{maildir: {server.folder}/second}}\noutbound:"))
            hang_up(server, ["server.reloaded", "what=configuration"])
            wire.ask("RCPT TO:<carol@example.org>", 250)
            wire.ask("RSET", 250)
            recipient(server, "postmaster@second.example", 250)
            wire.ask("QUIT", 221)
        letter = Letter(sender="alice@example.org", to=["carol@example.org"])
        server.submit(letter)
        server.maildir.wait(letter)
    finally:
        server.stop()


@case("a broken file leaves the old configuration whole, and the log says where the fault is", GROUP)
def broken_file(bench):
    server = Serve(bench.martlet, bench.place("reload"))
    try:
        good = server.config.read_text()
        change(server, ("[alice, bob, postmaster]", "[alice, carol, postmaster]"), ("give_up_after", "give_up_afetr"))
        number = server.config.read_text().splitlines().index("  give_up_afetr: 1h") + 1
        line = hang_up(server, ["server.alarm", "what=configuration-not-reloaded"])
        check(f"martlet.yaml:{number}:3: error:" in line, f"the place of the fault should be named: {line}")
        recipient(server, "bob@example.org", 250)
        recipient(server, "carol@example.org", 550)

        # A good file that names a bad one is no better.
        server.config.write_text(good.replace("[alice, bob, postmaster]", "[alice, carol, postmaster]")
                                 .replace("  certificates:", "  trust_roots: [missing.pem]\n  certificates:"))
        line = hang_up(server, ["server.alarm", "what=configuration-not-reloaded"])
        check("missing.pem" in line, f"the missing file should be named: {line}")
        recipient(server, "carol@example.org", 550)

        server.config.write_text(good.replace("[alice, bob, postmaster]", "[alice, carol, postmaster]"))
        hang_up(server, ["server.reloaded", "what=configuration"])
        recipient(server, "carol@example.org", 250)
    finally:
        server.stop()


@case("a key that needs a restart is named, and the rest of the file is taken", GROUP)
def restart_needed(bench):
    server = Serve(bench.martlet, bench.place("reload"))
    try:
        change(server, ("hostname: mail.example.org", "hostname: mx.example.org"),
               ("[alice, bob, postmaster]", "[alice, carol, postmaster]"),
               ("queue:\n", "limits:\n  message_size: 1 MiB\nqueue:\n"))
        line = hang_up(server, ["server.alarm", "what=configuration-needs-restart"])
        check("hostname" in line and "listen" not in line, f"hostname alone should be named: {line}")
        recipient(server, "carol@example.org", 250)
        with Wire(server.ports["relay"]) as wire:
            greeting = wire.expect(220)
            check("mail.example.org" in greeting.text, f"the name should stay as it was: {greeting}")
            offered = wire.ask("EHLO mx.example.com", 250).keywords()
            check(offered.get("SIZE") == "1048576", f"the new limit should be announced: {offered}")
    finally:
        server.stop()


@case("a configuration file that is not there ends every command with 66, and a wrong one with 78", GROUP)
def exit_codes(bench):
    place = bench.place("wrong")
    (place / "wrong.yaml").write_text("hostnam: mail.example.org\n")
    commands = ("serve", "check", "queue list", "queue status", "trace --live", "dns example.org", "user list")
    for file, code, words in (("absent.yaml", 66, "there is no such file"), ("wrong.yaml", 78, "did you mean")):
        for command in commands:
            ended, said = run([bench.martlet, *command.split(), "--config", place / file])
            check(ended == code and words in said, f"{command}: {code} and {words!r} expected, got {ended}: {said}")
