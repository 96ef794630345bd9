"""Martlet as it sends by MX, its mail handed in as alice@example.org, and its log as events."""

import json
import smtplib
import time

from harness import ARRIVAL_SECONDS, Failed, check
from peers.relay_peer import OURS
from serve import LOCAL, Serve
from wire import trusting

# Also an MX host of a domain or two, which then must not be sent to.
OWN_NAME = f"mx.{OURS}"


class Outward(Serve):
    """Mail for other domains goes to the hosts that `nameserver` names, all on `port`. Certificates are judged by
    `trust`; `floors` says by domain what is demanded. Mail from other servers comes in at `address` on the same port;
    what is for a local part of `forwards` at the domain outward.martlet.example goes where that says."""

    def __init__(self, martlet, folder, nameserver, anchors, address, port, trust, floors, forwards):
        self.given = nameserver, anchors, address, port, floors, forwards
        super().__init__(martlet, folder, trust=trust)

    def settings(self, chain, key, deliver, smarthost, trust, limits):
        nameserver, anchors, address, port, floors, forwards = self.given
        lines = [
            "hostname: mail.example.org", f"data: {self.folder}/data", "log: {format: json}",
            "listen:",
            f"  submissions: 127.0.0.1:{self.ports['submissions']}",
            f"  submission: 127.0.0.1:{self.ports['submission']}",
            f"  relay: ['127.0.0.1:{self.ports['relay']}', '{address}:{port}']",
            "tls:", "  certificates:", f"    - chain: {chain}", f"      key: {key}", f"  trust_roots: [{trust}]",
            f"users: {self.folder}/data/users.json",
            "domains:",
            f"  {LOCAL}:", "    recipients: [alice, bob, postmaster]", f"    deliver: {deliver}",
            f"  outward.{OURS}:", "    recipients: [bob, postmaster]", f"    deliver: {deliver}", "    aliases:",
            *(f"      {name}: {target}" for name, target in forwards.items()),
            "outbound:", "  route: mx", "  tls:", "    floor: opportunistic", "    domains:",
            *(f"      {domain}: {floor}" for domain, floor in floors.items()),
            f"  mx: {{port: {port}, own_names: [{OWN_NAME}]}}",
            "dns:", f"  servers: ['{nameserver}']", f"  trust_anchors: {anchors}",
            "  probe: {secure: [], bogus: []}",
            "queue: {retry: [1s, 1s, 2s], give_up_after: 1h}",
        ]
        return "\n".join(lines) + "\n"

    def hand_in(self, letter, options=(), asked=()):
        """The letter in Martlet's queue, with parameters for MAIL and for each RCPT."""
        with smtplib.SMTP_SSL("localhost", self.ports["submissions"], context=trusting(self.ca), timeout=30) as client:
            client.login(self.user, self.password)
            refused = client.sendmail(letter.sender, letter.to, letter.wire, mail_options=options,
                                      rcpt_options=asked)
            check(not refused, f"refused: {refused}")

    def events(self, kind, recipient):
        """The events of a kind about a recipient, oldest first."""
        return [one for one in self.all_events(kind) if one.get("recipient") == recipient]

    def all_events(self, kind):
        """The events of a kind, oldest first."""
        lines = [json.loads(line) for line in self.background.output().splitlines() if line.startswith("{")]
        return [one for one in lines if one["event"] == kind]

    def event(self, kind, recipient, seconds=ARRIVAL_SECONDS):
        """The first such event, waited for."""
        until = time.monotonic() + seconds
        while True:
            if found := self.events(kind, recipient):
                return found[0]
            if time.monotonic() > until:
                about = [line for line in self.background.output().splitlines() if recipient in line]
                raise Failed(f"no {kind} of {recipient} within {seconds} s; there was:\n" + "\n".join(about[-8:]))
            time.sleep(0.05)
