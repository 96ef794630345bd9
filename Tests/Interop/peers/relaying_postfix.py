"""Postfix between Martlet and the rest of a small world: see relay_peer.py."""

from harness import Failed
from peers.ports import listening_at
from peers.postfix import Postfix
from peers.relay_peer import RelayPeer

# The security level of the client for each way to Martlet.
LEVELS = {"clear": "none", "opportunistic": "may", "encrypt": "encrypt", "verified": "verify", "mistrusted": "secure",
          "outward": "may"}


class RelayingPostfix(RelayPeer):
    title, name, network = "Postfix", "postfix", "127.0.1"
    mistrusts = "Server certificate not verified"

    def prepare(self):
        faces = self.certificates()
        services = []
        for kind, address in self.addresses.items():
            level = {"clear": "none", "required": "encrypt"}.get(kind, "may")
            services.append(f"{address}:{self.port} inet n - n - - smtpd\n  -o smtpd_tls_security_level={level}")
            if kind in faces:
                chain, key = faces[kind]
                services.append(f"  -o smtpd_tls_cert_file={chain}\n  -o smtpd_tls_key_file={key}")
        for way, hop in self.station.ways.items():
            services.append(f"to-{way} unix - - n - - smtp\n  -o smtp_tls_security_level={LEVELS[way]}\n"
                            f"  -o smtp_tls_CAfile={self.station.ca}\n"
                            f"  -o smtp_tls_verify_cert_match={hop.name}\n  -o smtp_tls_secure_cert_match={hop.name}")
        transports = {f"{way}.martlet.example": f"to-{way}:[{hop.address}]:{self.port}"
                      for way, hop in self.station.ways.items()}
        self.postfix = Postfix(self.folder, transports=transports, services="\n".join(services) + "\n", amended={
            "myhostname": self.domain,
            "virtual_mailbox_domains": " ".join(self.local),
            "smtpd_recipient_restrictions": "check_recipient_access inline:{"
            + " ".join(f"{{refused@{domain}=550 5.1.1 No such mailbox}}" for domain in self.local) + "}",
            "smtp_tls_loglevel": "1",
            "minimal_backoff_time": "10s", "queue_run_delay": "5s",
        })
        if not listening_at(self.listeners()):
            self.stop()
            raise Failed("Postfix does not listen:\n" + self.log())
        return self.postfix.maildir.path

    def queue(self):
        return self.postfix.queue()

    def log(self):
        return self.postfix.log()

    def stop(self):
        self.postfix.stop()
