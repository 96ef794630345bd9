#!/usr/bin/env python3
"""What the transport policy costs a message, in instructions: the release binary under valgrind's callgrind.

Martlet takes mail in and relays it over TLS to mail hosts of this script, found through a signed zone of nsd's. One
domain has TLSA records and an MTA-STS policy, the other publishes nothing. Everything is warm before counting begins, so
start-up, the first look-ups and the policy's fetch are not in it. Counts are of user space: the kernel's share, which the
policy has hardly any part in, is not seen, so the shares are rather too high than too low. Exits 1 where a share is over
the bound. Needs root for port 443, nsd with ldnsutils, valgrind, binutils and what the load generator needs.
"""

import argparse
import collections
import datetime
import json
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

# The other benchmark, which also leads to the peers of Tests/Interop.
from run import DOCUMENT, LIMITS, PROJECT, build_generator

from harness import Background, program  # noqa: E402
from peers.certificates import Authority, key_digest  # noqa: E402
from peers.nsd import Nsd  # noqa: E402
from peers.ports import free_ports, listening, shared_port  # noqa: E402

START, END = "<!-- policy: written by Benchmarks/policy_cost.py -->", "<!-- end of the policy's cost -->"
BOUND = 0.03
POLICY_ADDRESS = "127.0.9.9"
KEPT = 100  # messages a connection; Martlet itself leaves one then


@dataclass
class Case:
    name: str
    zone: str
    kept: bool
    address: str
    messages: int
    # Of the five questions a message needs without our memory (MX, A, AAAA; TXT, TLSA) those asked for the policy.
    policy_questions: float
    total: float = 0
    parts: dict = field(default_factory=dict)

    @property
    def domain(self):
        return f"{self.name}.{self.zone}"

    @property
    def title(self):
        published = "TLSA records and MTA-STS" if self.zone.startswith("signed") else "nothing published"
        return f"{published}, {'connections kept' if self.kept else 'one message a connection'}"

    @property
    def share(self):
        return sum(self.parts.values()) / self.total


CASES = [
    Case("kept", "signed.example", True, "127.0.9.1", 400, 2 / 5),
    Case("kept", "open.example", True, "127.0.9.2", 400, 1 / 4),
    Case("one", "signed.example", False, "127.0.9.3", 150, 2 / 5),
    Case("one", "open.example", False, "127.0.9.4", 150, 1 / 4),
]


# The other side

class Exchanger:
    """A mail host with STARTTLS that throws all away, counts, and ends each connection behind `most` messages."""

    def __init__(self, address, port, pair, most):
        self.messages = self.connections = 0
        self.most, self.lock = most, threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.socket = socket.create_server((address, port), backlog=100)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with self.lock:
            self.connections += 1
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.converse(connection)
        except OSError:
            pass
        finally:
            connection.close()

    def converse(self, connection):
        connection.sendall(b"220 sink.example ESMTP\r\n")
        if not self.commands(connection, [b"STARTTLS"]):
            return
        with self.context.wrap_socket(connection, server_side=True) as secure:
            self.commands(secure, [])

    def commands(self, connection, offers):
        """True where STARTTLS was asked for."""
        keywords = [b"sink.example", *offers, b"PIPELINING", b"CHUNKING", b"ENHANCEDSTATUSCODES", b"8BITMIME"]
        lines, taken = connection.makefile("rb"), 0
        while line := lines.readline():
            verb, *words = line.upper().split()
            if verb == b"EHLO":
                reply = b"".join(b"250%s%s\r\n" % (b" " if word is keywords[-1] else b"-", word) for word in keywords)
            elif verb == b"STARTTLS":
                connection.sendall(b"220 2.0.0 go on\r\n")
                return True
            elif verb == b"BDAT":
                lines.read(int(words[0]))
                reply = b"250 2.0.0 taken\r\n"
            elif verb == b"QUIT":
                reply = b"221 2.0.0 bye\r\n"
            else:
                reply = b"250 2.0.0 ok\r\n"
            connection.sendall(reply)
            if verb == b"BDAT" and b"LAST" in words:
                taken += 1
                with self.lock:
                    self.messages += 1
                if taken == self.most:
                    return False
            if verb == b"QUIT":
                return False
        return False


class PolicyHost:
    """Serves one MTA-STS policy of mode enforce to all who ask."""

    def __init__(self, pair, pattern):
        body = f"version: STSv1\r\nmode: enforce\r\nmx: {pattern}\r\nmax_age: 604800\r\n".encode()
        self.answer = (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                       % len(body)) + body
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*pair)
        self.fetched = 0
        self.socket = socket.create_server((POLICY_ADDRESS, 443))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            try:
                with self.context.wrap_socket(connection, server_side=True) as secure:
                    asked = b""
                    while b"\r\n\r\n" not in asked and (more := secure.recv(4096)):
                        asked += more
                    secure.sendall(self.answer)
                    self.fetched += 1
            except OSError:
                continue


# Martlet under callgrind

class Relay:
    def __init__(self, binary, folder):
        self.folder = folder
        authority, self.mx_port = Authority(folder / "tls"), shared_port()
        self.sinks, zones = {}, {case.zone: "$TTL 86400\n" for case in CASES}
        for case in CASES:
            host = f"mx.{case.domain}"
            pair = authority.issue(host)
            self.sinks[case.domain] = Exchanger(case.address, self.mx_port, pair, KEPT if case.kept else 1)
            zones[case.zone] += f"{case.domain}. IN MX 10 {host}.\n{host}. IN A {case.address}\n"
            if case.zone == "signed.example":
                zones[case.zone] += (
                    f"_{self.mx_port}._tcp.{host}. IN TLSA 3 1 1 {key_digest(pair[0])}\n"
                    f'_mta-sts.{case.domain}. IN TXT "v=STSv1; id=1"\nmta-sts.{case.domain}. IN A {POLICY_ADDRESS}\n')
        names = [f"mta-sts.{case.domain}" for case in CASES if case.zone == "signed.example"]
        self.policies = PolicyHost(authority.issue(*names), f"mx.{CASES[0].domain}\r\nmx: mx.{CASES[2].domain}")
        self.nsd = Nsd(folder, zones)
        anchor, _ = self.nsd.sign("signed.example")
        self.nsd.start()
        self.port, = free_ports(1)
        self.generator = build_generator()
        config = self.configure(authority, anchor)
        # Valgrind can't read the debugger's notes of newer compilers; names of functions are enough.
        slim = folder / "martlet"
        subprocess.run([program("objcopy", "binutils"), "--strip-debug", binary, slim], check=True)
        self.server = Background(
            [program("valgrind", "valgrind"), "--tool=callgrind", "--separate-threads=no", "--compress-strings=no",
             f"--callgrind-out-file={folder}/profile", slim, "serve", "--config", config], folder / "martlet.log")
        if not listening([self.port], seconds=300):
            sys.exit(f"martlet does not listen under callgrind:\n{self.log()}")

    def configure(self, authority, anchor):
        chain, key = authority.issue("mail.example.org")
        config = self.folder / "martlet.yaml"
        config.write_text("\n".join([
            "hostname: mail.example.org", f"data: {self.folder}/data", "log: {format: json}",
            f"listen: {{relay: '127.0.0.1:{self.port}'}}",
            "tls:", "  certificates:", f"    - chain: {chain}", f"      key: {key}",
            f"  trust_roots: [{authority.ca}]",
            "domains:", "  example.org:", "    recipients: [postmaster]",
            f"    deliver: {{maildir: {self.folder}/mail}}", "    aliases:",
            *(f"      {case.domain}: box@{case.domain}" for case in CASES),
            f"outbound: {{route: mx, mx: {{port: {self.mx_port}}}}}",
            f"dns: {{servers: ['{self.nsd.address}'], trust_anchors: {anchor}, probe: {{secure: [], bogus: []}}}}",
            LIMITS]) + "\n")
        (self.folder / "mail").mkdir()
        return config

    def send(self, case, count):
        """Returns when the other side has all of them, and Martlet has written so down."""
        sink = self.sinks[case.domain]
        wanted, until = sink.messages + count, time.monotonic() + 300
        done = subprocess.run(
            [str(part) for part in (
                self.generator, "-p", self.port, "-t", "plain", "-f", "alice@elsewhere.example", "-r",
                f"{case.domain}@example.org", "-c", 10, "-m", 50, "-s", 4096, "-d", 300, "-w", 0, "-n", count)],
            capture_output=True, text=True)
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        if figures["msgs"] != count:
            sys.exit(f"the load generator sent {figures['msgs']} of {count} messages: {figures['lasterr']}")
        while sink.messages < wanted:
            if time.monotonic() > until:
                sys.exit(f"{wanted - sink.messages} of {count} messages for {case.domain} are missing:\n{self.log()}")
            time.sleep(0.02)
        time.sleep(1)

    def control(self, word):
        subprocess.run([program("callgrind_control", "valgrind"), word, str(self.server.process.pid)], check=True,
                       stdout=subprocess.DEVNULL)

    def profile(self, case):
        """The counts of a case's messages alone."""
        # With the pause that a count takes, no connection of the warm-up may be left that is about to end by itself.
        self.send(case, 40)
        self.control("--zero")
        self.send(case, case.messages)
        before = set(self.folder.glob("profile.*"))
        self.control("--dump")
        new, = set(self.folder.glob("profile.*")) - before
        return Profile(new)

    def log(self):
        return self.server.output()[-4000:]

    def stop(self):
        self.server.stop(60)
        self.nsd.stop()


# The profile

# Ours: all that is only there because of the policy. The keeper's and the ratchet's look-ups, the decision, what is kept
# of it and said of it, and the matching of certificates with TLSA records.
POLICY = re.compile(
    r"TLSDecision|TLSEvidence|TLSFinding|TLSVerdict|EvidenceGatherer|DecidedPolicies|AppliedPolicy|PolicyKeeper|KeptPolicies|"
    r"PolicyReach|STSPolicy|STSPattern|STSEvidence|STSDiscovery|STSRecord|STSTrouble|KnownSTS|TLSALookup|TLSABase|TLSASet|"
    r"TLSARecord|TLSACertificate|DANE|CertificateDER|TLSRatchet|SteadyDomain|SteadyRecord|SteadyTLS|noteSight|FloorOverride|"
    r"DestinationRules|OperatorFloor|PolicyMemory|DeliveryEvidence|DeliveryPlace|ConnectionLease\.(place|meets)|"
    r"cleartextPermit|"
    r"MailClock\.within|\.texts\(of:|textsAtHand|tlsaRecords\(of:|\bdecide\(")
# Where one task ends its turn and another's begins: what comes behind such a call isn't the caller's.
TURNS = re.compile(
    r"swift_task_switch|swift_continuation|swift_job_run|swift_asyncLet_(get|finish)|TaskGroup.*(wait|offer|next)|"
    r"completeTask|future_wait|taskGroup_(wait|attach)|resumeTask|AsyncTask::|_wait_(throwing_)?resume|runJob|_task_enqueue")


class Profile:
    """A callgrind file: what each function took itself, and what each took through each other."""

    def __init__(self, path):
        self.own, self.through, self.object = collections.Counter(), collections.Counter(), {}
        function = callee = None
        place = callee_place = ""
        is_call = False
        for line in path.read_text("utf-8", "replace").splitlines():
            if line.startswith("ob="):
                place = callee_place = line[3:]
            elif line.startswith("fn="):
                function = line[3:]
                self.object[function] = callee_place = place
            elif line.startswith("cob="):
                callee_place = line[4:]
            elif line.startswith("cfn="):
                callee = line[4:]
                self.object.setdefault(callee, callee_place)
            elif line.startswith("calls="):
                is_call = True
            elif line[:1].isdigit() or line[:1] in ("+", "-", "*"):
                cost = int(line.split()[1])
                if is_call:
                    self.through[function, callee] += cost
                    is_call, callee_place = False, place
                else:
                    self.own[function] += cost
        self.total = sum(self.own.values())

    def policy(self):
        """Instructions by function of the policy's, with what those called that are nobody's in particular. An asynchronous
        function that goes on in another isn't its caller, although the machine sees a call."""
        names = sorted(self.object)
        plain, whole = readable(names, "--simplified"), readable(names)
        ours = {name for name in names if POLICY.search(plain[name])}
        ends = {name for name in names
                if re.search(r"T[QY]\d+_", name) or " async" in whole[name] or TURNS.search(whole[name])}
        found = collections.Counter()
        for name in ours:
            found[plain[name]] += self.own[name]
        for (caller, callee), cost in self.through.items():
            if caller in ours and callee not in ours and callee not in ends:
                found[plain[caller]] += cost
        return found

    def resolver(self):
        """Instructions of the look-ups beneath the memory of answers: libunbound's, in its thread and in ours."""
        theirs = {name for name, place in self.object.items() if "libunbound" in place}
        own = sum(self.own[name] for name in theirs)
        return own + sum(cost for (caller, callee), cost in self.through.items()
                         if caller in theirs and callee not in theirs and "martlet" not in self.object[callee])


def readable(names, *options):
    tool = program("swift-demangle", "the Swift toolchain")
    done = subprocess.run([tool, *options], input="\n".join(name.split("'")[0] for name in names), capture_output=True,
                          text=True, check=True)
    return dict(zip(names, done.stdout.split("\n")))


# The run

def measure(relay, options):
    # Twice around: first everything is looked up, fetched, opened and allocated.
    for case in CASES:
        relay.send(case, 60)
    for case in CASES:
        connections = relay.sinks[case.domain].connections
        profile = relay.profile(case)
        made = relay.sinks[case.domain].connections - connections
        functions = profile.policy()
        case.total = profile.total / case.messages
        case.parts = {"policy": sum(functions.values()) / case.messages,
                      "look-ups": profile.resolver() * case.policy_questions / case.messages}
        print(f"{case.title}: {case.total:,.0f} instructions a message, {made} connections for {case.messages + 40}; "
              f"of the policy {100 * case.share:.2f} %", file=sys.stderr)
        for name, count in functions.most_common(options.show):
            print(f"  {count / case.messages:10,.0f}  {name}", file=sys.stderr)
    if relay.policies.fetched != 2:
        sys.exit(f"{relay.policies.fetched} policies were fetched in place of 2: the cache was not warm")


def table():
    lines = [
        "| case | instructions a message | of these the policy | its look-ups in libunbound | share | bound | kept |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        lines.append(
            f"| {case.title} | {case.total:,.0f} | {case.parts['policy']:,.0f} | {case.parts['look-ups']:,.0f} | "
            f"{100 * case.share:.1f} % | {100 * BOUND:g} % | {'yes' if case.share <= BOUND else 'no'} |")
    text = "\n".join(lines) + "\n\nA message for the domain with TLSA records and MTA-STS takes "
    differences = []
    for published, nothing in ((CASES[0], CASES[1]), (CASES[2], CASES[3])):
        more = published.total - nothing.total
        differences.append(f"{more:+,.0f} instructions ({100 * more / nothing.total:+.1f} %) "
                           f"{'over kept connections' if published.kept else 'with a connection of its own'}")
    return text + " and ".join(differences) + " against the one that publishes nothing."


def written(text, options):
    section = (f"{START}\n\nCounted {datetime.date.today()} by {version()}; messages of 4 KiB, ten connections inward.\n\n"
               f"{text}\n\n{END}")
    page = DOCUMENT.read_text("utf-8")
    before, rest = page.split(START, 1)
    DOCUMENT.write_text(before + section + rest.split(END, 1)[1], "utf-8")


def version():
    return subprocess.run([program("valgrind", "valgrind"), "--version"], capture_output=True, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--martlet", type=Path, default=PROJECT / ".build/release/martlet")
    parser.add_argument("--show", type=int, default=0, help="the dearest functions of the policy, so many a case")
    parser.add_argument("--no-write", action="store_true", help="print the table and leave the document alone")
    options = parser.parse_args()
    parent = PROJECT / ".build-peers"
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="cost-", dir=parent) as name:
        folder = Path(name)
        folder.chmod(0o755)
        relay = Relay(options.martlet.resolve(), folder)
        try:
            measure(relay, options)
        finally:
            relay.stop()
    text = table()
    print(text)
    if not options.no_write:
        written(text, options)
    return 0 if all(case.share <= BOUND for case in CASES) else 1


if __name__ == "__main__":
    sys.exit(main())
