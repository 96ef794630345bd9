"""An authoritative name server on loopback (nsd), with zones signed by ldns."""

import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

from harness import Background, Failed, program
from peers.ports import free_ports, listening

HEAD = """$ORIGIN {zone}.
$TTL 300
@ IN SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 300
@ IN NS ns.{zone}.
ns IN A 127.0.0.1
"""


class Nsd:
    """Serves `zones`, texts by name, which begin behind the SOA. A zone of None is configured and can't be loaded.

    It answers for its zones alone, so a resolver that is told to ask it meets every shape of answer there is."""

    def __init__(self, folder, zones):
        self.folder = Path(folder)
        # Where it isn't installed this is a skip, before anything is written.
        self.program = program("nsd", "nsd")
        self.port, = free_ports(1)
        self.background = None
        for zone, text in zones.items():
            if text is not None:
                self.file(zone).write_text(HEAD.format(zone=zone) + text)
        self.zones = list(zones)

    def file(self, zone):
        return self.folder / f"{zone}.zone"

    def sign(self, zone, *options):
        """Signs a zone in place, and gives the file with its key as a DS record and the one with the DNSKEY record."""
        def run(*command):
            return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

        key = run(program("ldns-keygen", "ldnsutils"), "-a", "ECDSAP256SHA256", "-k", zone)
        run(program("ldns-signzone", "ldnsutils"), "-n", *options, "-f", self.file(zone), self.file(zone), key)
        return self.folder / f"{key}.ds", self.folder / f"{key}.key"

    def start(self):
        lines = [
            "server:", f"  ip-address: 127.0.0.1@{self.port}", '  username: ""', '  chroot: ""',
            f'  zonesdir: "{self.folder}"', '  database: ""', f'  pidfile: "{self.folder}/nsd.pid"',
            f'  zonelistfile: "{self.folder}/zone.list"', '  xfrdfile: ""', f'  xfrdir: "{self.folder}"',
            "  server-count: 1",
            # Else it answers 200 questions a second, and drops or cuts the others.
            "  rrl-ratelimit: 0",
            "remote-control:", "  control-enable: no",
        ]
        for zone in self.zones:
            lines += ["zone:", f"  name: {zone}", f'  zonefile: "{self.file(zone)}"']
        configuration = self.folder / "nsd.conf"
        configuration.write_text("\n".join(lines) + "\n")
        self.background = Background([self.program, "-d", "-c", configuration], self.folder / "nsd.log")
        if not listening([self.port]):
            self.background.stop()
            raise Failed(f"nsd does not listen:\n{self.background.output()[-2000:]}")
        return self

    def rewrite(self, zone, text):
        """Serves another text for a zone that isn't signed, in a moment."""
        file = self.file(zone)
        new = file.with_suffix(".new")
        new.write_text(HEAD.format(zone=zone) + text)
        # It looks at the time of the last change, and one within its clock's tick would be none.
        moment = file.stat().st_mtime_ns + 2_000_000_000
        os.utime(new, ns=(moment, moment))
        new.replace(file)
        self.background.process.send_signal(signal.SIGHUP)

    @property
    def address(self):
        return f"127.0.0.1@{self.port}"

    def stop(self):
        return self.background.stop() if self.background else True


class UDPAnswerer:
    """A name server that answers each question with what `answer` makes of it, or not at all where that is None."""

    def __init__(self, answer):
        self.answer = answer
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1@{self.socket.getsockname()[1]}"
        self.asked = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, sender = self.socket.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            self.asked += 1
            answer = self.answer(question)
            if answer is not None:
                self.socket.sendto(answer, sender)

    def stop(self):
        # An empty datagram ends the wait.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"", self.socket.getsockname())
        self.socket.close()


def answer_with(data):
    """Answers a question with one record of its own type, whose data is `data`."""
    def answer(question):
        end = 12
        while question[end]:
            end += question[end] + 1
        asked = question[12:end + 5]
        record = b"\xc0\x0c" + asked[-4:] + (300).to_bytes(4, "big") + len(data).to_bytes(2, "big") + data
        return question[:2] + b"\x85\x80" + b"\0\1\0\1\0\0\0\0" + asked + record
    return answer
