"""`martlet serve` with a configuration file of the test's own."""

import os
import signal
import smtplib
import subprocess
from pathlib import Path

from harness import Background, Failed, Maildir, check, run_client
from peers.certificates import Authority
from peers.ports import answering, free_ports, listening
from wire import trusting

USER, PASSWORD = "alice", "quiet-marsh-7"
LOCAL = "example.org"


class Serve:
    """A server for example.org, whose mail goes to `maildir`, and with `outbound` as the way to everywhere else.

    `deliver` is a destination as the configuration file writes it, and so are `outbound`, its whole section,
    `recipients` and `aliases`. With `under`, a program that runs Martlet under its eyes, strace for one."""

    def __init__(self, binary, folder, deliver=None, smarthost=None, trust=None, limits="", under=(), outbound=None,
                 aliases=None, recipients="[alice, bob, postmaster]"):
        self.folder, self.under = folder, list(under)
        self.binary = binary
        self.ports = dict(zip(("submissions", "submission", "relay"), free_ports(3)))
        self.authority = Authority(folder / "tls")
        self.ca = self.authority.ca
        self.user, self.password = USER, PASSWORD
        self.maildir = Maildir(folder / "mail")
        chain, key = self.authority.issue("localhost", "IP:127.0.0.1")
        self.outbound, self.aliases, self.recipients = outbound, aliases, recipients
        self.config = folder / "martlet.yaml"
        deliver = deliver or f"{{maildir: {folder}/mail}}"
        self.config.write_text(self.settings(chain, key, deliver, smarthost, trust, limits))
        (folder / "password").write_text(PASSWORD + "\n")
        (folder / "password").chmod(0o600)
        run_client([binary, "check", "--config", self.config])
        run_client([binary, "user", "add", USER, "--config", self.config, "--password-file", folder / "password",
                    "--sender", f"*@{LOCAL}"])
        self.start()

    def settings(self, chain, key, deliver, smarthost, trust, limits):
        lines = [
            "hostname: mail.example.org",
            f"data: {self.folder}/data",
            "listen:",
            *(f"  {role}: 127.0.0.1:{port}" for role, port in self.ports.items()),
            "tls:",
            "  certificates:",
            f"    - chain: {chain}",
            f"      key: {key}",
            *([f"  trust_roots: [{trust}]"] if trust else []),
            f"users: {self.folder}/data/users.json",
            "domains:",
            f"  {LOCAL}:",
            f"    recipients: {self.recipients}",
            f"    deliver: {deliver}",
            *([f"    aliases: {self.aliases}"] if self.aliases else []),
            f"outbound: {self.outbound}" if self.outbound else "outbound:",
        ]
        if not self.outbound:
            lines.append(f"  route: {'smarthost' if smarthost else 'none'}")
        if smarthost:
            lines += ["  smarthost:", *(f"    {name}: {value}" for name, value in smarthost.items())]
        lines += ["queue:", "  retry: [1s, 1s, 2s]", "  give_up_after: 1h", limits]
        return "\n".join(lines) + "\n"

    def start(self):
        self.background = Background([*self.under, self.binary, "serve", "--config", self.config],
                                     self.folder / "martlet.log")
        if not listening(self.ports.values()):
            self.background.stop()
            raise Failed(f"martlet serve does not listen:\n{self.log()}")
        # Commands are served a moment later than mail; where they can't be, mail is all the same.
        answering(self.folder / "data" / "control.sock", 5)

    @property
    def pid(self):
        """Martlet's own process id, also where another program runs it."""
        outer = self.background.process.pid
        if not self.under:
            return outer
        children = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
        return int(children[0]) if children else outer

    def kill(self):
        """As a power cut ends a process: at once, with nothing said."""
        self.background.process.kill()
        self.background.process.wait(10)

    def log(self):
        return self.background.output()[-4000:]

    def submit(self, letter, role="submissions", options=()):
        """Hands a letter in as alice, with these parameters of MAIL. It returns after the 250."""
        context = trusting(self.ca)
        if role == "submissions":
            server = smtplib.SMTP_SSL("localhost", self.ports[role], context=context, timeout=30)
        else:
            server = smtplib.SMTP("localhost", self.ports[role], timeout=30)
        with server:
            if role != "submissions":
                server.starttls(context=context)
            server.login(self.user, self.password)
            refused = server.sendmail(letter.sender, letter.to, letter.wire, mail_options=list(options))
            check(not refused, f"refused: {refused}")

    def queue(self):
        """What `martlet queue list` prints."""
        done = subprocess.run([str(self.binary), "queue", "list", "--config", str(self.config), "--json"],
                              capture_output=True, text=True, timeout=30)
        check(done.returncode == 0, f"queue list ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def stop(self):
        if self.under and self.background.process.poll() is None:
            # strace ends with its child, and keeps signals from itself.
            os.kill(self.pid, signal.SIGTERM)
            try:
                self.background.process.wait(20)
            except subprocess.TimeoutExpired:
                os.kill(self.pid, signal.SIGKILL)
        return self.background.stop()
