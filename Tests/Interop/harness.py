"""What every case stands on: the register of cases, a running Martlet, made-up messages, and a watch on a Maildir."""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent.parent
PEERS = PROJECT / ".build-peers"
IN_CI = os.environ.get("CI") == "true"

START_SECONDS = 30
ARRIVAL_SECONDS = 20
CLIENT_SECONDS = 60


class Missing(Exception):
    """A peer is not on this machine: a failure in CI, a printed skip elsewhere."""


class Failed(AssertionError):
    """What a case says when Martlet, or the peer, did not do what it should."""


def check(condition, complaint):
    """Fails the case with a sentence; unlike `assert` it stays on under `python3 -O`."""
    if not condition:
        raise Failed(complaint)


# The register

@dataclass
class Case:
    name: str
    group: str
    body: object
    ids: tuple = ()

    def label(self):
        return f"{self.name} [{', '.join(self.ids)}]" if self.ids else self.name


CASES = []


def case(name, group="clients", ids=()):
    """Registers a function as a case. The ids are those of Documentation/Conformance.md."""
    def register(body):
        if any(other.name == name for other in CASES):
            raise ValueError(f"two cases are named {name!r}")
        CASES.append(Case(name, group, body, tuple(ids)))
        return body
    return register


# Programs on this machine

def program(name, package):
    """The path of a program, or the skip that names the package it comes in."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not path:
        raise Missing(f"{name} is missing: install {package}")
    return path


def venv_python(module):
    """The interpreter of the environment that Scripts/system-packages made, with `module` in it."""
    path = PEERS / "python" / "bin" / "python3"
    if not path.exists():
        raise Missing(f"{module} is missing: run Scripts/system-packages test")
    found = subprocess.run([path, "-c", f"import {module}"], capture_output=True)
    if found.returncode != 0:
        raise Missing(f"{module} is missing: run Scripts/system-packages test")
    return str(path)


def run(command, standard_input=b"", timeout=CLIENT_SECONDS, **settings):
    """Runs a client to its end and gives its exit code and all it printed."""
    done = subprocess.run(
        [str(part) for part in command], input=standard_input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        timeout=timeout, **settings)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def run_client(command, standard_input=b"", **settings):
    """Runs a client that has to succeed."""
    code, output = run(command, standard_input, **settings)
    check(code == 0, f"{Path(str(command[0])).name} ended with {code}:\n{output[-3000:]}")
    return output


class Background:
    """A process of ours with its output in a file, ended by its own process id."""

    def __init__(self, command, log, **settings):
        self.log = Path(log)
        self.handle = open(self.log, "wb")
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.DEVNULL, stdout=settings.pop("stdout", self.handle),
            stderr=self.handle, **settings)

    def output(self):
        return self.log.read_text("utf-8", "replace")

    def stop(self, seconds=20):
        """Asks the process to end, then insists. True when it ended by itself in time."""
        orderly = True
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                orderly = False
                self.process.kill()
                self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()
        self.handle.close()
        return orderly


# A message and its arrival

class Letter:
    """A message with a token no other message has. `wire` has CRLF, `text` has LF."""

    def __init__(self, sender="alice@example.org", to=("bob@example.net",), body=None, extra_fields=(), utf8=False):
        self.token = secrets.token_hex(12)
        self.sender = sender
        self.to = list(to)
        if body is None:
            body = "Dear Bob,\n\nthe heron stood in the reeds all morning.\n-- \nAlice\n"
        fields = [
            f"From: Alice <{sender}>",
            f"To: {', '.join(self.to)}",
            *extra_fields,
            f"Subject: A heron, {self.token}",
            "Date: Sat, 22 Nov 2025 10:00:00 +0000",
            f"Message-ID: <{self.token}@example.org>",
            "MIME-Version: 1.0",
            f"Content-Type: text/plain; charset={'utf-8' if utf8 else 'us-ascii'}",
            f"Content-Transfer-Encoding: {'8bit' if utf8 else '7bit'}",
        ]
        self.text = "\n".join(fields) + "\n\n" + body
        self.wire = self.text.replace("\n", "\r\n").encode("utf-8")

    def stuffed(self):
        """The message as DATA carries it, terminator included (RFC 5321 §4.5.2)."""
        lines = self.wire.split(b"\r\n")
        return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


# Every field a delivery may put in front. Anything else above the message means that it was changed.
ADDED_FIELDS = {"return-path", "delivered-to", "received", "authentication-results"}


class Delivered:
    """One file of a Maildir."""

    def __init__(self, path):
        self.path = path
        self.bytes = path.read_bytes()
        self.text = self.bytes.replace(b"\r\n", b"\n").decode("utf-8", "replace")

    def fields(self, name):
        """The values of a header field, unfolded, from the top down."""
        header = self.text.split("\n\n", 1)[0]
        unfolded = re.sub(r"\n[ \t]+", " ", header)
        found = re.findall(rf"(?im)^{re.escape(name)}:[ \t]*(.*)$", unfolded)
        return [value.strip() for value in found]

    def check_intact(self, letter, text=None):
        """Whole below the added fields: the same bytes that were sent, and nothing but trace above them."""
        sent = letter.text if text is None else text
        check(self.text.endswith(sent), f"the message in {self.path.name} differs from what was sent:\n"
              + difference(sent, self.text))
        added = re.sub(r"\n[ \t]+", " ", self.text[: len(self.text) - len(sent)])
        for line in added.splitlines():
            name = line.split(":", 1)[0].lower()
            check(name in ADDED_FIELDS, f"a field was added that should not be: {line[:200]}")

    def check_received(self, protocol):
        """The top Received field names the protocol, and the cipher suite where there was TLS (RFC 8314 §4.3)."""
        traces = self.fields("Received")
        check(traces, f"no Received field in {self.path.name}")
        trace = traces[0]
        check(re.search(rf"\bwith {protocol}\b", trace), f"Received should say `with {protocol}`: {trace}")
        encrypted = re.search(r"(?<!\()\btls (TLS_[A-Z0-9_]+|0x[0-9A-Fa-f]{4})\b", trace) is not None
        demanded = "S" in re.sub(r"^(UTF8SMTP|ESMTP|SMTP)", "", protocol)
        check(encrypted == demanded, f"the tls clause should be {'there' if demanded else 'absent'}: {trace}")


def difference(sent, got, context=3):
    """The first lines that differ, for a person."""
    sent_lines, got_lines = sent.splitlines(), got.splitlines()
    start = max(0, len(got_lines) - len(sent_lines))
    for index, line in enumerate(sent_lines):
        other = got_lines[start + index] if start + index < len(got_lines) else "(nothing)"
        if line != other:
            return f"  line {index + 1}\n  sent {line[:160]!r}\n  got  {other[:160]!r}"
    return f"  {len(sent_lines)} lines sent, {len(got_lines)} delivered; the ends differ"


class Maildir:
    """Watches `new` for files that hold a token."""

    def __init__(self, path):
        self.path = Path(path)
        self.known = {}

    def holding(self, token):
        folder = self.path / "new"
        names = sorted(os.listdir(folder)) if folder.is_dir() else []
        wanted = token.encode()
        for name in names:
            if name not in self.known:
                try:
                    self.known[name] = Delivered(folder / name)
                except FileNotFoundError:
                    continue
        return [self.known[name] for name in names if name in self.known and wanted in self.known[name].bytes]

    def wait(self, letter, files=1, seconds=ARRIVAL_SECONDS):
        """The files that hold the letter, once there are as many as expected."""
        until = time.monotonic() + seconds
        while True:
            found = self.holding(letter.token)
            if len(found) >= files:
                return found
            check(time.monotonic() < until,
                  f"{len(found)} of {files} deliveries arrived in {self.path} within {seconds} s")
            time.sleep(0.02)


# Martlet itself

class Dev:
    """`martlet dev` in a folder of its own."""

    def __init__(self, binary, folder):
        self.folder = Path(folder)
        self.background = Background(
            [binary, "dev", "--data", self.folder / "data", "--port-base", "0", "--json"],
            self.folder / "martlet.log", stdout=subprocess.PIPE)
        facts = self.first_line()
        check(facts.get("ready") is True, f"`martlet dev --json` should say ready: {facts}")
        self.ports = facts["ports"]
        for role in ("submissions", "submission", "alternate", "relay"):
            check(isinstance(self.ports.get(role), int), f"`ports` should have a number for {role}: {self.ports}")
        self.ca, self.user, self.password = facts["ca"], facts["user"], facts["password"]
        self.maildir = Maildir(facts["maildir"])
        # What Martlet prints later is kept for the report of a failure, and its pipe never fills.
        self.drain = threading.Thread(target=self.read_on, daemon=True)
        self.drain.start()

    def first_line(self):
        lines = []
        reader = threading.Thread(
            target=lambda: lines.append(self.background.process.stdout.readline()), daemon=True)
        reader.start()
        reader.join(START_SECONDS)
        check(lines and lines[0], f"`martlet dev` said nothing in {START_SECONDS} s:\n{self.background.output()}")
        try:
            return json.loads(lines[0])
        except ValueError:
            raise Failed(f"the first line of `martlet dev --json` is not JSON: {lines[0]!r}") from None

    def read_on(self):
        for _ in self.background.process.stdout:
            pass

    def alive(self):
        return self.background.process.poll() is None

    def log(self, lines=30):
        return "\n".join(self.background.output().splitlines()[-lines:])

    def stop(self):
        return self.background.stop()


class Bench:
    """What a case is given: the program, a folder, and the servers that the run has started."""

    def __init__(self, martlet, keep):
        self.martlet = Path(martlet).resolve()
        self.folder = Path(tempfile.mkdtemp(prefix="martlet-interop-"))
        # Next hops run as users of their own and deliver into folders below this one.
        self.folder.chmod(0o755)
        self.keep = keep
        self.server = None
        self.broken = None
        self.shared = {}
        self.failures = {}

    @property
    def dev(self):
        if self.server is not None and not self.server.alive():
            died, self.server = self.server, None
            raise Failed(f"martlet dev is gone with {died.background.process.returncode}:\n{died.log()}")
        if self.broken is not None:
            raise Failed(self.broken)
        if self.server is None:
            try:
                self.server = Dev(self.martlet, self.place("dev"))
            except Failed:
                # One that does not start will not start for the next case either.
                self.broken = "martlet dev does not start: see the first case"
                raise
        return self.server

    def place(self, name):
        place = self.folder / f"{name}-{secrets.token_hex(3)}"
        place.mkdir()
        place.chmod(0o755)
        return place

    def once(self, name, start):
        """A peer started at its first use and stopped with the run. One that did not start is not tried again."""
        if name in self.failures:
            raise self.failures[name]
        if name not in self.shared:
            try:
                self.shared[name] = start()
            except Exception as failure:
                self.failures[name] = failure
                raise
        return self.shared[name]

    def close(self):
        for peer in reversed(list(self.shared.values())):
            peer.stop()
        orderly = self.server.stop() if self.server else True
        if self.keep:
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return orderly
