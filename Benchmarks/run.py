#!/usr/bin/env python3
"""Speed beside Postfix: both servers durable, in one run, in turn, under the same load generator.

Each case runs on Postfix and on Martlet alternately, as often as --repeat says; the medians and the spread are written
to the table of Documentation/Performance.md. Server CPU a message is read from /proc of all the server's processes.
Needs root for Postfix (which is unpacked, not installed), a C compiler and OpenSSL's headers for the load generator.
"""

import argparse
import base64
import datetime
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "Tests" / "Interop"))

from harness import PEERS  # noqa: E402
from peers.dovecot import Dovecot  # noqa: E402
from peers.ports import free_ports, listening  # noqa: E402
from peers.postfix import Postfix  # noqa: E402
from peers.unpacked import library_path, unpack  # noqa: E402
from serve import Serve  # noqa: E402

DOCUMENT = PROJECT / "Documentation" / "Performance.md"
START, END = "<!-- table: written by Benchmarks/run.py -->", "<!-- end of the table -->"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Row:
    """One case of the table. `goal` is the ratio to Postfix that Martlet is to reach."""

    number: str
    title: str
    port: str  # relay: cleartext; starttls: the relay port after STARTTLS; submissions: implicit TLS, with AUTH
    connections: int
    messages: int
    octets: int
    goal: float
    # rate: messages accepted a second, through: accepted and delivered, of both more is better; cpu: microseconds a
    # message, less is better
    measure: str = "rate"


ROWS = [
    Row("1", "4 KiB in cleartext on the relay port, 10 connections x 50", "relay", 10, 50, 4096, 6),
    Row("2", "4 KiB in cleartext on the relay port, 100 x 50", "relay", 100, 50, 4096, 10),
    Row("3", "4 KiB on 465, 10 x 50", "submissions", 10, 50, 4096, 4.5),
    Row("4", "4 KiB on 465, 100 x 50", "submissions", 100, 50, 4096, 7),
    Row("5", "4 KiB on 465, one message a connection, 100 at once: server CPU a message", "submissions", 100, 1, 4096,
        5, "cpu"),
    Row("5r", "as row 5 on the relay port with STARTTLS, where nobody signs in: server CPU a message", "starttls", 100,
        1, 4096, 5, "cpu"),
    Row("6", "100 KiB on 465, 10 x 50", "submissions", 10, 50, 102400, 4),
    Row("7", "4 KiB in cleartext accepted on the relay port and delivered over loopback, 10 x 50", "relay", 10, 50, 4096,
        7, "through"),
]
MEMORY = "8"
MEMORY_GOAL = 24 * 1024  # bytes of an idle TLS session


# The load generator

def build_generator():
    made = PROJECT / ".build-peers" / "loadgen"
    source = PROJECT / "Benchmarks" / "loadgen.c"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        made.parent.mkdir(exist_ok=True)
        subprocess.run(["cc", "-O2", "-o", made, source, "-lssl", "-lcrypto", "-lpthread"], check=True)
    return made


MODES = {"relay": "plain", "starttls": "starttls", "submissions": "tls"}


def command(generator, server, port):
    """The load generator's command line up to what is special to a case. On 465 every connection signs in."""
    sign_in = ["-A", server.credentials] if port == "submissions" else []
    return [str(part) for part in (
        generator, "-p", server.ports["submissions" if port == "submissions" else "relay"], "-t", MODES[port],
        "-f", server.sender, "-r", server.recipient, *sign_in)]


def generate(generator, server, row, seconds):
    """One run of the load generator: messages a second, and the server's CPU microseconds a message."""
    before = cpu_seconds(server.pids())
    done = subprocess.run(
        [*command(generator, server, row.port), "-c", str(row.connections), "-m", str(row.messages), "-s",
         str(row.octets), "-d", str(seconds), "-w", "0"], capture_output=True, text=True, timeout=seconds + 60)
    used = cpu_seconds(server.pids()) - before
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"the load generator failed on {server.name}: {done.stderr}")
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    if figures["msgs"] == 0 or figures["errs"] > figures["msgs"] // 100:
        sys.exit(f"{server.name}, row {row.number}: {figures['msgs']} messages and {figures['errs']} errors, "
                 f"{figures['lasterr']}\n{server.log()}")
    return {"rate": figures["msgs_s"], "cpu": used * 1e6 / figures["msgs"]}


class Sink:
    """Postfix' smtp-sink: takes everything on a port of 127.0.0.1, throws it away, and counts."""

    def __init__(self, root):
        self.port = free_ports(1)[0]
        self.process = subprocess.Popen(
            [root / "usr/sbin/smtp-sink", "-u", "postfix", "-c", f"127.0.0.1:{self.port}", "1024"], stdout=subprocess.PIPE,
            env={"LD_LIBRARY_PATH": library_path(root), "PATH": os.environ["PATH"], "MAIL_CONFIG": "/nonexistent"})
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""
        if not listening([self.port]):
            sys.exit("smtp-sink does not start")

    def count(self):
        self.text = (self.text + (self.process.stdout.read() or b"").decode())[-200:]
        found = re.findall(r"mesg=(\d+)", self.text)
        return int(found[-1]) if found else 0

    def stop(self):
        self.process.kill()
        self.process.communicate()


def deliver(generator, server, sink, row, total):
    """From the first message sent to the last that the sink has counted: what a server accepts and delivers a second."""
    before, counted, begun = cpu_seconds(server.pids()), sink.count(), time.monotonic()
    sending = subprocess.Popen(
        [*command(generator, server, row.port)[:-1], server.onward, "-c", str(row.connections), "-m", str(row.messages),
         "-s", str(row.octets), "-d", "300", "-w", "0", "-n", str(total)], stdout=subprocess.PIPE, text=True)
    arrived, last = 0, begun
    while arrived < total and time.monotonic() - last < 30:
        time.sleep(0.005)
        now = sink.count() - counted
        if now > arrived:
            arrived, last = now, time.monotonic()
    sending.kill()
    sending.communicate()
    if arrived < total:
        sys.exit(f"{server.name}: {arrived} of {total} messages were delivered\n{server.log()}")
    return {"through": total / (last - begun), "cpu": (cpu_seconds(server.pids()) - before) * 1e6 / total}


def idle_memory(generator, server, count, seconds=25):
    """Bytes that one idle TLS session adds to the server: the growth over many, shared pages counted once."""
    before = resident(server.pids())
    holding = subprocess.Popen([*command(generator, server, "starttls"), "-c", str(count), "-I", str(seconds)],
                               stdout=subprocess.PIPE, text=True)
    line = holding.stdout.readline()
    held = int(line.split("idle=")[1].split()[0]) if "idle=" in line else 0
    after = resident(server.pids())
    holding.kill()
    holding.communicate()
    if held != count:
        sys.exit(f"{server.name} held {held} of {count} idle sessions: {line}\n{server.log()}")
    return (after - before) / count


# The servers

def descendants(pids):
    """These processes and all below them."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, open_ones = set(), list(pids)
    while open_ones:
        pid = open_ones.pop()
        if pid not in found:
            found.add(pid)
            open_ones += parents.get(pid, [])
    return found


def cpu_seconds(pids):
    """User and system time of these processes and of the children they have waited for."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total / TICKS


def resident(pids):
    """Proportional set size: a page that processes share is counted once in all."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def credentials(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


class PostfixServer:
    """Postfix with its defaults: one fsync a message, mail kept in its hold queue; Dovecot judges its passwords."""

    name, sender, recipient, idle_sessions = "Postfix", "alice@example.org", "box@hold.example", 100
    onward = "box@onward.example"

    def __init__(self, folder, sink):
        for part in ("dovecot", "postfix"):
            (folder / part).mkdir()
        self.accounts = Dovecot(folder / "dovecot")
        self.postfix = Postfix(folder / "postfix", sasl_socket=self.accounts.sasl, plain=True,
                               transports={"onward.example": f"smtp:[127.0.0.1]:{sink.port}"})
        self.ports = {"relay": self.postfix.ports["starttls"], "submissions": self.postfix.ports["implicit"]}
        self.credentials = credentials(self.accounts.user, self.accounts.password)

    def pids(self):
        return descendants([*self.postfix.processes()[:1], self.accounts.process.process.pid])

    def log(self):
        return self.postfix.log()

    def stop(self):
        self.postfix.stop()
        self.accounts.stop()


LIMITS = """limits:
  connections: 20000
  connections_per_address: 20000
  handshakes_per_address_per_minute: 1000000
"""


class MartletServer:
    """`martlet serve`, durable as it always is. Mail stays in its queue: nobody listens where it is to be delivered."""

    name, sender, recipient, idle_sessions = "Martlet", "alice@example.org", "bob@example.org", 1000
    onward = "onward@example.org"

    def __init__(self, binary, folder, sink):
        self.server = Serve(
            binary, folder, deliver="{lmtp: unix:/nowhere/lmtp}", limits=LIMITS,
            aliases='{onward: "box@[127.0.0.1]"}', outbound=f"{{route: mx, mx: {{port: {sink.port}}}}}")
        self.ports = self.server.ports
        self.credentials = credentials(self.server.user, self.server.password)

    def pids(self):
        return descendants([self.server.pid])

    def log(self):
        return self.server.log()

    def stop(self):
        self.server.stop()


# The run

def measured(options, folder):
    """The figures of every row, by server, in the order they were taken."""
    generator = build_generator()
    sink = Sink(unpack("postfix", PEERS / "postfix"))
    results = {(row.number, name): [] for row in ROWS for name in ("Postfix", "Martlet")}
    memory = {"Postfix": [], "Martlet": []}
    servers = []
    try:
        for made in (lambda: PostfixServer(folder, sink), lambda: MartletServer(options.martlet, folder / "martlet", sink)):
            (folder / "martlet").mkdir(exist_ok=True)
            servers.append(made())
        # First, while both are fresh: processes and heaps that earlier work left behind would hide what a session takes.
        for server in servers:
            memory[server.name].append(idle_memory(generator, server, server.idle_sessions))
        for repeat in range(options.repeat):
            for row in [row for row in ROWS if not options.row or row.number in options.row]:
                # In turn, and each time in the other order: what the machine does beside hits both.
                for server in servers if repeat % 2 == 0 else reversed(servers):
                    if row.measure == "through":
                        figures = deliver(generator, server, sink, row, int(options.seconds * 1_000))
                    else:
                        figures = generate(generator, server, row, options.seconds)
                    results[row.number, server.name].append(figures)
                    print(f"{repeat + 1}/{options.repeat} row {row.number:>2} {server.name:<8}"
                          f"{figures.get('through', figures.get('rate')):9.0f}/s {figures['cpu']:8.0f} us",
                          file=sys.stderr)
                    time.sleep(1)
    finally:
        for server in servers:
            server.stop()
        sink.stop()
    return results, memory


def spread(values):
    """Half the distance between the extremes, in percent of the median."""
    middle = statistics.median(values)
    return 100 * (max(values) - min(values)) / 2 / middle if middle else 0


def table(results, memory):
    """The Markdown table, goals and their fate included."""
    lines = ["| row | case | Postfix | Martlet | ratio | goal | reached | CPU a message: Postfix, Martlet |",
             "|---|---|---|---|---|---|---|---|"]
    for row in ROWS:
        if not results[row.number, "Martlet"]:
            continue
        values = {name: [run[row.measure] for run in results[row.number, name]] for name in ("Postfix", "Martlet")}
        cpu = {name: statistics.median(run["cpu"] for run in results[row.number, name]) for name in values}
        middle = {name: statistics.median(those) for name, those in values.items()}
        ratio = middle["Martlet"] / middle["Postfix"]
        if row.measure == "cpu":
            ratio = 1 / ratio
        unit = " us" if row.measure == "cpu" else "/s"
        shown = {name: f"{middle[name]:,.0f}{unit} ±{spread(values[name]):.0f} %" for name in values}
        lines.append(
            f"| {row.number} | {row.title} | {shown['Postfix']} | {shown['Martlet']} | {ratio:.1f} | {row.goal:g} | "
            f"{'yes' if ratio >= row.goal else 'no'} | {cpu['Postfix']:,.0f} us, {cpu['Martlet']:,.0f} us |")
    middle = {name: statistics.median(those) for name, those in memory.items()}
    lines.append(
        f"| {MEMORY} | memory of an idle TLS session | {middle['Postfix'] / 1024:,.1f} KiB | "
        f"{middle['Martlet'] / 1024:,.1f} KiB | {middle['Postfix'] / middle['Martlet']:.0f} | "
        f"at most {MEMORY_GOAL // 1024} KiB | {'yes' if middle['Martlet'] <= MEMORY_GOAL else 'no'} | |")
    return "\n".join(lines)


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def written(text, options):
    """Documentation/Performance.md with its table section replaced; the rest of the page is a person's."""
    section = (
        f"{START}\n\nMeasured {datetime.date.today()} on {os.cpu_count()} cores ({processor()}), "
        f"{platform.freedesktop_os_release()['PRETTY_NAME']}; {options.repeat} runs of {options.seconds:g} s a case, "
        "in turn; medians, with half the distance between the extremes. The load generator shares the machine.\n\n"
        f"{text}\n\n{END}")
    page = DOCUMENT.read_text("utf-8") if DOCUMENT.exists() else f"# Performance\n\n{START}\n{END}\n"
    before, rest = page.split(START, 1)
    DOCUMENT.write_text(before + section + rest.split(END, 1)[1], "utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--martlet", type=Path, default=PROJECT / ".build/release/martlet")
    parser.add_argument("--row", action="append", help="only these rows, and no document")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--folder", type=Path, help="where the queues live: on the disk to be measured")
    parser.add_argument("--no-write", action="store_true", help="print the table and leave the document alone")
    options = parser.parse_args()
    options.martlet = options.martlet.resolve()
    if os.geteuid() != 0:
        sys.exit("Postfix has to be started by root: run `sudo make bench`.")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    parent = options.folder or PROJECT / ".build-peers"
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        folder = Path(name)
        folder.chmod(0o755)
        text = table(*measured(options, folder))
    print(text)
    if not options.no_write and not options.row:
        written(text, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
