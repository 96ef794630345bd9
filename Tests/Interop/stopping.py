"""What a client sees of a stop by SIGTERM."""

import signal
import time

from harness import Letter, case, check
from serve import Serve
from wire import Wire

DRAIN_SECONDS = 20


def greeted(server):
    wire = Wire(server.ports["relay"])
    wire.expect(220)
    wire.ask("EHLO client.example.org", 250)
    return wire


@case("SIGTERM lets a transaction end with 250, says 421 behind it and to who is idle, and ends with 0",
      ids=("SMTP-022",))
def stop_amid_a_transaction(bench):
    server = Serve(bench.martlet, bench.place("stopping"), limits=f"drain_time: {DRAIN_SECONDS}s")
    process = server.background.process
    letters = [Letter(to=["bob@example.org"]) for _ in range(2)]
    try:
        with greeted(server) as before_data, greeted(server) as amid_data, greeted(server) as idle:
            for wire, letter in zip((before_data, amid_data), letters):
                wire.ask(f"MAIL FROM:<{letter.sender}>", 250)
                wire.ask(f"RCPT TO:<{letter.to[0]}>", 250)
            amid_data.ask("DATA", 354)
            content = letters[1].stuffed()
            amid_data.send(content[:len(content) // 2])

            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            idle.expect(421, of="an idle session")
            check(idle.ends(), "an idle session was left open")

            # The others go on as if nothing had happened, up to the end of their transaction.
            amid_data.send(content[len(content) // 2:])
            amid_data.expect(250, of="the data that was under way")
            amid_data.ask("NOOP", 421)
            before_data.ask("DATA", 354)
            before_data.send(letters[0].stuffed())
            before_data.expect(250, of="the data after SIGTERM")
            before_data.ask(f"MAIL FROM:<{letters[0].sender}>", 421)
            for wire in (amid_data, before_data):
                check(wire.ends(), "a session was left open behind its 421")
        process.wait(DRAIN_SECONDS)
        check(process.returncode == 0, f"martlet ended with {process.returncode}:\n{server.log()}")
        check(time.monotonic() - began < DRAIN_SECONDS, "the stop took longer than drain_time")
    finally:
        server.stop()
    # What was answered 250 is there: delivered before the end, or after the next start.
    server.start()
    try:
        for letter in letters:
            server.maildir.wait(letter)
    finally:
        server.stop()


@case("SIGTERM ends within drain_time, whoever stays amid a transaction", ids=("SMTP-022",))
def stop_cuts_off(bench):
    server = Serve(bench.martlet, bench.place("stopping-late"), limits="drain_time: 3s")
    process = server.background.process
    letter = Letter(to=["bob@example.org"])
    try:
        with greeted(server) as wire:
            wire.ask(f"MAIL FROM:<{letter.sender}>", 250)
            wire.ask(f"RCPT TO:<{letter.to[0]}>", 250)
            wire.ask("DATA", 354)
            wire.send(letter.stuffed()[:20])
            process.send_signal(signal.SIGTERM)
            process.wait(10)
            check(process.returncode == 0, f"martlet ended with {process.returncode}:\n{server.log()}")
            check(wire.ends(), "the session outlived the process")
            check(b"\r\n250 2.0.0" not in wire.received, "half a message was answered 250")
    finally:
        server.stop()
