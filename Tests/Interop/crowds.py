"""A queue of 10^5 and 10^6 messages: what is dead must not hold up what lives, and a start must not wait for what waits."""

import contextlib
import re
import socket
import sqlite3
import statistics
import threading
import time
from pathlib import Path

from harness import Letter, check, case
from serve import Serve
from wire import Wire

DEAD = "dead.example"
LETTERS = 300
# What a shared machine adds to any latency, in seconds: twice nothing is no bound.
NOISE = 0.005
# Resident memory of the server, however many messages wait: 64 MiB are SQLite's cache.
MOST_RESIDENT = 256 << 20
START_SECONDS = 5


class Sink:
    """An LMTP server that takes every letter and notes the moment, or one that takes connections and never says a word."""

    def __init__(self, answers=True):
        self.answers, self.arrivals, self.connections = answers, {}, []
        self.news = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections.append(connection)
                if self.answers:
                    threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        say = lambda text: connection.sendall(text.encode() + b"\r\n")
        recipients = 0
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            say("220 sink.example LMTP")
            for line in lines:
                verb = line[:4].upper()
                if verb == b"LHLO":
                    say("250-sink.example\r\n250 PIPELINING")
                elif verb == b"DATA":
                    say("354 go on")
                    text = b""
                    for line in lines:
                        if line == b".\r\n":
                            break
                        text += line
                    with self.news:
                        for token in re.findall(rb"token-(\w+)", text):
                            self.arrivals.setdefault(token.decode(), time.monotonic())
                        self.news.notify_all()
                    for _ in range(recipients):
                        say("250 2.0.0 taken")
                    recipients = 0
                elif verb == b"QUIT":
                    say("221 bye")
                    return
                else:
                    recipients += verb == b"RCPT"
                    say("250 ok")

    def arrival(self, token, seconds=30):
        with self.news:
            check(self.news.wait_for(lambda: token in self.arrivals, seconds), f"no letter arrived in {seconds} s")
            return self.arrivals[token]

    def stop(self):
        for each in [self.listener, *self.connections]:
            with contextlib.suppress(OSError):
                each.close()


def resident(server):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text()).group(1)) << 10


def latencies(server, sink, name):
    """Seconds from the 250 to the arrival, of letters that come one after the other."""
    taken = []
    with contextlib.closing(Wire(server.ports["relay"])) as wire:
        wire.expect(220, of="the greeting")
        wire.ask("EHLO client.example", 250)
        for number in range(LETTERS):
            token = f"{name}x{number}"
            wire.ask("MAIL FROM:<a@client.example>", 250)
            wire.ask("RCPT TO:<bob@example.org>", 250)
            wire.ask("DATA", 354)
            wire.send(f"From: a@client.example\r\nSubject: token-{token}\r\n\r\nText.\r\n.\r\n".encode())
            wire.expect(250, of="the end of data")
            accepted = time.monotonic()
            # It may be there before the client has read the 250.
            taken.append(max(0, sink.arrival(token) - accepted))
            time.sleep(0.005)
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def multiply(server, count, spread=False):
    """Puts `count` messages beside the one that waits in the stopped server's queue: its rows copied under ids of their
    own, its body named by all of them (Documentation/Queue.md). Spread, every second one goes to a destination of its own
    and is due in an hour."""
    with contextlib.closing(sqlite3.connect(server.folder / "data/queue.sqlite3")) as database, database:
        ((number,),) = database.execute("SELECT number FROM messages").fetchall()
        message = [row[1] for row in database.execute("PRAGMA table_info(messages)") if row[1] not in ("number", "id")]
        recipient = [row[1] for row in database.execute("PRAGMA table_info(recipients)") if row[1] != "message"]
        database.execute(
            f"INSERT INTO messages (id, {', '.join(message)}) WITH RECURSIVE n(i) AS "
            f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            f"SELECT substr(id, 1, 9) || printf('%07d', i), {', '.join(message)} FROM messages, n WHERE number = ?",
            (count, number))
        values = ", ".join(f"r.{column}" for column in recipient)
        if spread:
            values = values.replace("r.route", "iif(m.number % 2, r.route, 'mx/d' || m.number || '.example')")
            values = values.replace("r.due", "iif(m.number % 2, r.due, r.due + 3600000000000)")
        database.execute(
            f"INSERT INTO recipients (message, {', '.join(recipient)}) SELECT m.number, {values} "
            "FROM messages m, recipients r WHERE r.message = ? AND m.number <> ?", (number, number))


def crowded(bench, name, dead, live):
    """A server for a live and a dead domain, each with an LMTP server of its own, and a letter to the dead one waiting."""
    deliver = (f"{{lmtp: 127.0.0.1:{live.port}}}\n  {DEAD}:\n    recipients: [carl, postmaster]\n"
               f"    deliver: {{lmtp: 127.0.0.1:{dead.port}}}")
    return Serve(bench.martlet, bench.place(name), deliver=deliver)


def wait_until_dead_is_tried(dead, before, seconds=60):
    until = time.monotonic() + seconds
    while len(dead.connections) == before:
        check(time.monotonic() < until, "the dead destination's mail was never tried: it is not in the queue")
        time.sleep(0.05)


@case("beside a dead destination with 100,000 messages queued live mail is as quick as ever", "long")
def dead_beside_live(bench):
    live, dead = Sink(), Sink(answers=False)
    server = crowded(bench, "crowd", dead, live)
    try:
        latencies(server, live, "warm")
        calm, calm_memory = latencies(server, live, "calm"), resident(server)
        server.submit(Letter(to=[f"carl@{DEAD}"]))
        wait_until_dead_is_tried(dead, 0)
        server.kill()
        count = 100_000
        multiply(server, count)
        before = len(dead.connections)
        server.start()
        wait_until_dead_is_tried(dead, before)
        latencies(server, live, "warmed")
        crowd, memory = latencies(server, live, "crowd"), resident(server)
        words = ", ".join(f"{name} {1000 * before:.1f} ms calm, {1000 * after:.1f} ms in the crowd"
                          for name, before, after in zip(("median", "p99"), calm, crowd))
        words += f"; resident {calm_memory >> 20} MiB calm, {memory >> 20} MiB in the crowd"
        for before, after in zip(calm, crowd):
            check(after <= 2 * before + NOISE, f"live mail is held up: {words}")
        check(memory <= MOST_RESIDENT, f"too much memory: {words}")
        with contextlib.closing(sqlite3.connect(server.folder / "data/queue.sqlite3")) as database:
            ((left,),) = database.execute("SELECT count(*) FROM messages").fetchall()
        check(left == count + 1, f"{left} of {count + 1} messages wait still")
        return words
    finally:
        server.stop()
        live.stop()
        dead.stop()


@case("with 1,000,000 messages queued the server greets within five seconds of its start", "long")
def start_of_a_million(bench):
    live, dead = Sink(), Sink(answers=False)
    server = crowded(bench, "million", dead, live)
    try:
        server.submit(Letter(to=[f"carl@{DEAD}"]))
        wait_until_dead_is_tried(dead, 0)
        server.kill()
        multiply(server, 1_000_000, spread=True)
        before, started = len(dead.connections), time.monotonic()
        server.start()
        with contextlib.closing(Wire(server.ports["relay"])) as wire:
            wire.expect(220, of="the greeting")
        seconds = time.monotonic() - started
        median, p99 = latencies(server, live, "million")
        wait_until_dead_is_tried(dead, before)
        # Long enough for a survey to go through half a million destinations.
        time.sleep(30)
        memory = resident(server)
        words = (f"220 after {seconds:.2f} s; live mail meanwhile: median {1000 * median:.1f} ms, p99 {1000 * p99:.1f} ms; "
                 f"resident {memory >> 20} MiB")
        check(seconds <= START_SECONDS, words)
        check(memory <= MOST_RESIDENT, words)
        return words
    finally:
        server.stop()
        live.stop()
        dead.stop()
