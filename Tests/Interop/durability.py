"""250 means durable: what strace sees, what kill -9 leaves, and in the long lane what a power cut leaves."""

import contextlib
import fcntl
import json
import os
import random
import re
import resource
import smtplib
import sqlite3
import struct
import subprocess
import threading
import time
from pathlib import Path

from harness import PEERS, PROJECT, Background, Failed, Letter, Missing, case, check, program, run, run_client
from serve import Serve
from peers.ports import free_ports
from wire import Wire

# Deliveries that may be under way on one route: each may happen twice when the power goes (Documentation/Queue.md).
ROUTE_CONCURRENCY = 20


# strace

def events(trace):
    """(call, path, text) of each finished system call, in the order they finished; and of each write as it began."""
    pending = {}
    for line in trace.splitlines():
        head = re.match(r"(\d+)\s+(?:[\d:.]+\s+)?(.*)", line)
        if not head:
            continue
        thread, rest = head.groups()
        if resumed := re.match(r"<\.\.\. (\w+) resumed>(.*)", rest):
            started = pending.pop(thread, None)
            if started:
                yield ("done", *started)
            continue
        if not (call := re.match(r"(\w+)\((\d+<([^>]*)>)?(.*)", rest)):
            continue
        name, _, path, text = call.groups()
        yield ("begun", name, path or "", text)
        if rest.endswith("<unfinished ...>"):
            pending[thread] = (name, path or "", text)
        else:
            yield ("done", name, path or "", text)


SYNCS = ("fdatasync", "fsync")


def check_order(trace, token):
    """The message's bytes written, their file synced, the commit synced, and only then the 250."""
    seen = list(events(trace))

    def first(after, what, test):
        for index in range(after, len(seen)):
            if test(*seen[index]):
                return index
        raise Failed(f"{what} is not in the trace")

    asked = first(0, "the 354", lambda moment, call, path, text: moment == "begun" and path.startswith("socket:") and '"354 ' in text)
    reply = first(asked + 1, "the 250 after the data",
                  lambda moment, call, path, text: moment == "begun" and path.startswith("socket:") and '"250 ' in text)
    body = first(asked, "the write of the body",
                 lambda moment, call, path, text: moment == "done" and token in text and "/data/" in path)
    file = seen[body][2]
    synced = first(body, f"the sync of {file}",
                   lambda moment, call, path, text: moment == "done" and call in SYNCS and path == file)
    check(not file.endswith("-wal"), f"the body went into the database: {file}")
    commit = first(synced, "the write of the commit",
                   lambda moment, call, path, text: moment == "done" and path.endswith("-wal") and call not in SYNCS)
    durable = first(commit, "the sync of the commit",
                    lambda moment, call, path, text: moment == "done" and path.endswith("-wal") and call in SYNCS)
    check(durable < reply, "the 250 left before the sync of the body and of the commit had returned")


@case("under strace no 250 leaves before the sync of the body and of the commit", "durability", ids=("SMTP-030",))
def syncs_first(bench):
    place = bench.place("strace")
    trace = place / "trace"
    under = [program("strace", "strace"), "-f", "-y", "-s", "4096", "-o", trace, "-e",
             "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync"]
    try:
        server = Serve(bench.martlet, place, under=under)
    except Failed as problem:
        if trace.exists() and "PTRACE" in trace.read_text("utf-8", "replace"):
            raise Missing("strace may not trace here") from None
        raise problem
    letters = [Letter(to=["bob@example.org"]) for _ in range(5)]
    try:
        for letter in letters:
            trace_before = trace.stat().st_size
            with Wire(server.ports["relay"]) as wire:
                wire.expect(220)
                wire.ask("EHLO client.example.org", 250)
                wire.ask(f"MAIL FROM:<{letter.sender}>", 250)
                wire.ask(f"RCPT TO:<{letter.to[0]}>", 250)
                wire.ask("DATA", 354)
                wire.send(letter.stuffed())
                wire.expect(250, of="the end of data")
            time.sleep(0.3)  # strace writes on its own time
            with open(trace, "rb") as file:
                file.seek(trace_before)
                check_order(file.read().decode("utf-8", "replace"), letter.token)
    finally:
        server.stop()


# kill -9

class Load:
    """Clients that submit to example.org without pause, and know which letters were answered 250."""

    def __init__(self, server, clients=4):
        self.server = server
        self.accepted, self.lock, self.over = [], threading.Lock(), False
        self.threads = [threading.Thread(target=self.run) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over:
            try:
                with smtplib.SMTP("127.0.0.1", self.server.ports["relay"], timeout=5) as client:
                    while not self.over:
                        letter = Letter(to=["bob@example.org"], body="A line of a letter.\n" * random.choice((1, 400)))
                        client.sendmail(letter.sender, letter.to, letter.wire)
                        with self.lock:
                            self.accepted.append(letter)
            except (OSError, smtplib.SMTPException):
                time.sleep(0.02)

    def stop(self):
        self.over = True
        for thread in self.threads:
            thread.join()


def check_all_there(server, letters, rounds):
    """Every accepted letter is in the Maildir, whole, and hardly any twice."""
    check(letters, "no letter was accepted: the load proved nothing")
    twice = 0
    for letter in letters:
        found = server.maildir.wait(letter, seconds=60)
        for delivered in found:
            delivered.check_intact(letter)
        twice += len(found) - 1
    check(twice <= rounds * ROUTE_CONCURRENCY, f"{twice} of {len(letters)} arrived twice in {rounds} rounds")
    return f"{len(letters)} answered 250, all there, {twice} delivered twice, in {rounds} rounds"


@case("after kill -9 in a loop under load every message answered 250 is there", "durability", ids=("SMTP-031",))
def kill_loop(bench):
    server = Serve(bench.martlet, bench.place("kill"))
    rounds = 8
    load = Load(server)
    try:
        for _ in range(rounds):
            time.sleep(random.uniform(0.2, 1.2))
            server.kill()
            server.start()
        load.stop()
        return check_all_there(server, load.accepted, rounds)
    finally:
        load.stop()
        server.stop()


# Out of file descriptors

class Starved:
    """The server can open nothing more while this lasts."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        self.limits = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        used = {int(path.name) for path in Path(f"/proc/{self.pid}/fd").iterdir()}
        free = next(number for number in range(len(used) + 1) if number not in used)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (free, self.limits[1]))

    def __exit__(self, *problem):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.limits)


@case("out of file descriptors the server puts mail off, and holds and loses none of it", "durability",
      ids=("SMTP-031",))
def no_descriptors(bench):
    server = Serve(bench.martlet, bench.place("descriptors"))
    first, letter = Letter(to=["bob@example.org"]), Letter(to=["bob@example.org"])
    try:
        server.submit(first)
        server.maildir.wait(first)
        with smtplib.SMTP("127.0.0.1", server.ports["relay"], timeout=30) as client:
            client.ehlo()
            with Starved(server.pid):
                client.sendmail(letter.sender, letter.to, letter.wire)
                long = Letter(to=["bob@example.org"], body="A line of a letter.\n" * 100_000)
                try:
                    client.sendmail(long.sender, long.to, long.wire)
                    raise Failed("a letter that needs a file of its own was taken")
                except smtplib.SMTPDataError as refusal:
                    check(refusal.smtp_code == 451, f"the long letter was refused with {refusal}")
                # Long enough for a first attempt and its retries to fail.
                time.sleep(2.5)
                check(not server.maildir.holding(letter.token), "it was delivered: the server was not starved")
            server.maildir.wait(letter)
            client.sendmail(long.sender, long.to, long.wire)
            server.maildir.wait(long)
        check('"held"' not in server.queue(), f"something is held:\n{server.queue()}")
    finally:
        server.stop()


# A damaged row

def queue(server, *words):
    """What a queue command answers, a value a line."""
    done = subprocess.run([server.binary, "queue", *words, "--config", server.config, "--json"], capture_output=True,
                          text=True, timeout=30)
    check(done.returncode == 0, f"queue {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


@case("a row of the queue that can't be read is held, shown and deleted, and other mail goes on", "durability")
def damaged_row(bench):
    lost = free_ports(1)[0]
    server = Serve(bench.martlet, bench.place("damage"), deliver=f"{{lmtp: 127.0.0.1:{lost}}}")
    try:
        letters = [Letter(to=["bob@example.org"]) for _ in range(3)]
        for letter in letters:
            server.submit(letter)
        ids = [message["id"] for message in queue(server, "list")]
        check(len(ids) == 3, f"3 messages wait, {len(ids)} are listed")
        server.stop()
        with contextlib.closing(sqlite3.connect(server.folder / "data/queue.sqlite3")) as database, database:
            database.execute("UPDATE messages SET reverse_path = 'no address' WHERE id = ?", (ids[1],))
        server.start()
        time.sleep(1.5)
        states = {message["id"]: [recipient["state"] for recipient in message["recipients"]]
                  for message in queue(server, "list")}
        check(states == {ids[0]: ["queued"], ids[1]: ["held"], ids[2]: ["queued"]}, f"listed: {states}")
        shown = json.dumps(queue(server, "show", ids[1]))
        check("messages.reverse_path" in shown and "no address" in shown, f"the reason is not shown: {shown}")
        queue(server, "delete", "--id", ids[1])
        left = [message["id"] for message in queue(server, "list")]
        check(left == [ids[0], ids[2]], f"left after the deletion: {left}")
        code, words = run([server.binary, "queue", "hold", ids[1], "--config", server.config])
        check(code == 66 and ids[1] in words, f"queue hold of a message that left ended with {code}: {words}")
    finally:
        server.stop()


# Power cuts

# _IOR('X', 125, __u32), and the flag that throws the journal's unwritten part away: <linux/ext4.h>
EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


class Disk:
    """An ext4 file system on a loop device whose power can be cut."""

    def __init__(self, folder, mebibytes=1024):
        if os.geteuid() != 0:
            raise Missing("a loop device needs root")
        self.image, self.mount = folder / "disk.img", folder / "disk"
        self.mount.mkdir()
        with open(self.image, "wb") as file:
            file.truncate(mebibytes << 20)
        run_client([program("mkfs.ext4", "e2fsprogs"), "-q", "-F", self.image])
        self.attach()

    def attach(self):
        done = subprocess.run(["mount", "-o", "loop", self.image, self.mount], capture_output=True, text=True)
        if done.returncode != 0:
            raise Missing(f"this machine mounts no loop device: {done.stderr.strip()}")

    def cut(self):
        """Nothing that was not synced survives this."""
        handle = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def detach(self):
        for _ in range(50):
            if subprocess.run(["umount", self.mount], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            raise Failed("the disk stays busy")
        # The kernel lets a file system go a moment later, and its loop device with it. Mounted before that, the one whose
        # power was cut would be there again.
        for _ in range(50):
            if not subprocess.run(["losetup", "-j", self.image], capture_output=True).stdout:
                return
            time.sleep(0.1)
        raise Failed("the loop device stays")


@case("after 20 power cuts on ext4 every message answered 250 is there", "long", ids=("SMTP-031",))
def power_cuts(bench):
    disk = Disk(bench.place("power"))
    server, rounds, accepted = None, 20, []
    try:
        place = disk.mount / "martlet"
        place.mkdir()
        server = Serve(bench.martlet, place)
        # The set-up itself is not what is tested.
        os.sync()
        for _ in range(rounds):
            load = Load(server)
            try:
                time.sleep(random.uniform(0.5, 2))
                (disk.mount / "unsynced").write_bytes(b"lost with the power")
                disk.cut()
                server.kill()
            finally:
                load.stop()
            accepted += load.accepted
            server.background.handle.close()
            disk.detach()
            disk.attach()
            # Were what nobody synced still there, the cut would prove nothing.
            unsynced = disk.mount / "unsynced"
            check(not unsynced.exists() or not unsynced.read_bytes().strip(b"\0"), "an unsynced file survived the cut")
            unsynced.unlink(missing_ok=True)
            server.maildir.known.clear()
            server.start()
        return check_all_there(server, accepted, rounds)
    finally:
        if server:
            server.stop()
            server.background.handle.close()
        with contextlib.suppress(Failed):
            disk.detach()


# Many idle connections

@case("mail flows while 5,000 TLS connections are idle", "long")
def idle_connections(bench):
    generator = PEERS / "loadgen"
    run_client([program("cc", "gcc"), "-O2", "-o", generator, PROJECT / "Benchmarks/loadgen.c", "-lssl", "-lcrypto",
                "-lpthread"])
    limits = ("limits:\n  connections: 20000\n  connections_per_address: 20000\n"
              "  handshakes_per_address_per_minute: 100000\n")
    server = Serve(bench.martlet, bench.place("idle"), limits=limits)
    seconds, count = 60, 5000
    load = Background([generator, "-p", server.ports["relay"], "-c", count, "-t", "starttls", "-T", 2, "-I", seconds],
                      bench.place("load") / "log")
    try:
        until = time.monotonic() + seconds - 20
        while load.output().count("IDLE_READY") < 2:
            check(time.monotonic() < until, f"the connections did not come up:\n{load.output()[-500:]}")
            time.sleep(0.2)
        held = sum(map(int, re.findall(r"IDLE_READY idle=(\d+)", load.output())))
        check(held == count, f"{held} of {count} connections are held")
        pid = server.background.process.pid
        check(len(list(Path(f"/proc/{pid}/fd").iterdir())) >= count, "the server does not hold them")
        for _ in range(20):
            letter = Letter(to=["bob@example.org"])
            server.submit(letter)
            server.maildir.wait(letter)
        check(len(list(Path(f"/proc/{pid}/fd").iterdir())) >= count, "idle connections were dropped")
    finally:
        load.stop()
        server.stop()
