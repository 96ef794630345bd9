"""aiosmtpd as a smarthost with AUTH, honest or not."""

import json
from pathlib import Path

from harness import Background, Failed, Maildir, venv_python
from peers.certificates import Authority
from peers.ports import free_ports, listening


class Smarthost:
    """`mode` is implicit, starttls, or cleartext: one that offers no STARTTLS and would take a password all the same.
    The certificate is for `name`; `ca` is the one to trust. `without` lists AUTH mechanisms it does not offer."""

    user, password = "relay@example.org", "gentle-heron-42"

    def __init__(self, folder, mode, name="localhost", without=(), days=2):
        self.folder = Path(folder)
        for part in ("new", "cur", "tmp"):
            (self.folder / "maildir" / part).mkdir(parents=True)
        self.maildir = Maildir(self.folder / "maildir")
        self.authority = Authority(self.folder / "tls")
        self.ca = self.authority.ca
        chain, key = self.authority.issue(name, days=days)
        self.port, = free_ports(1)
        self.given = {
            "folder": str(self.folder), "mode": mode, "port": self.port, "chain": str(chain), "key": str(key),
            "user": self.user, "password": self.password, "without": list(without)}
        self.start()

    def start(self):
        server = Path(__file__).with_name("smarthost_server.py")
        self.process = Background([venv_python("aiosmtpd"), server, json.dumps(self.given)], self.folder / "server.log")
        if not listening([self.port]):
            self.process.stop()
            raise Failed("the smarthost does not start:\n" + self.process.output())

    def seen(self):
        """Everything clients have said so far, in clear."""
        path = self.folder / "seen"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def log(self):
        return self.process.output()[-2000:]

    def stop(self):
        self.process.stop()
