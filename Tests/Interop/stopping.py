"""What a client sees of a stop by SIGTERM."""

import json
import signal
import socket
import subprocess
import threading
import time

from harness import ARRIVAL_SECONDS, Letter, case, check
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


class Silent:
    """An LMTP server that takes connections and never says a word."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(10)
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                self.connections.append(self.socket.accept()[0])
            except OSError:
                return

    def close(self):
        self.socket.close()
        for connection in self.connections:
            connection.close()


def asked(server, *words):
    """What an operator is told, as JSON, a line each."""
    done = subprocess.run([str(server.binary), "queue", *words, "--config", str(server.config), "--json"],
                          capture_output=True, text=True, timeout=30)
    check(done.returncode == 0, f"queue {words} ended with {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


@case("a delivery that hangs is shown while it does, named by the stop, and cut at once by a second SIGTERM")
def second_stop(bench):
    place = bench.place("stopping-twice")
    silent = Silent(place / "lmtp")
    server = Serve(bench.martlet, place, deliver=f"{{lmtp: 'unix:{place}/lmtp'}}", limits="drain_time: 5m")
    process = server.background.process
    letter = Letter(to=["bob@example.org"])
    try:
        with greeted(server) as wire:
            wire.ask(f"MAIL FROM:<{letter.sender}>", 250)
            wire.ask(f"RCPT TO:<{letter.to[0]}>", 250)
            wire.ask("DATA", 354)
            wire.send(letter.stuffed())
            wire.expect(250)
        until = time.monotonic() + ARRIVAL_SECONDS
        while not (shown := asked(server, "list")[0]["recipients"][0]).get("delivering_since"):
            check(time.monotonic() < until, f"the delivery should be under way: {shown}")
            time.sleep(0.05)

        process.send_signal(signal.SIGTERM)
        until = time.monotonic() + ARRIVAL_SECONDS
        while "stopping_since" not in (status := asked(server, "status")[0]):
            check(time.monotonic() < until, f"the server should be stopping: {status}")
            time.sleep(0.05)
        check(status["listeners"] == [], f"nothing is listened on: {status}")
        check("server.stopping sessions=" in server.log() and "deliveries=1" in server.log(), server.log())

        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        check(process.returncode == 0, f"martlet ended with {process.returncode}:\n{server.log()}")
        check(time.monotonic() - began < 20, "the second stop waited")
        check("delivery.cut id=" in server.log(), f"the cut should be logged:\n{server.log()}")
    finally:
        server.stop()
        silent.close()
