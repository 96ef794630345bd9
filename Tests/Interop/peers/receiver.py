"""Martlet as the relay listener of a few domains, with nothing but port 25 to it."""

from harness import Background, Failed, Maildir, run_client
from peers.ports import listening_at
from peers.relay_peer import OURS, WAYS


class Receiver:
    """Takes mail for the domains of WAYS below martlet.example on `addresses`; with a `certificate`, its chain and key,
    STARTTLS is offered. All that arrives lands in `maildir`."""

    def __init__(self, martlet, folder, addresses, port, certificate=None):
        self.folder = folder
        self.maildir = Maildir(folder / "mail")
        listen = ", ".join(f"'{address}:{port}'" for address in addresses)
        lines = [f"hostname: mail.{OURS}", f"data: {folder}/data", "listen:", f"  relay: [{listen}]"]
        if certificate:
            chain, key = certificate
            lines += ["tls:", "  certificates:", f"    - chain: {chain}", f"      key: {key}"]
        lines += ["domains:"]
        for way in WAYS:
            lines += [f"  {way}.{OURS}:", "    recipients: [bob, carol, postmaster, grå]",
                      f"    deliver: {{maildir: {folder}/mail}}"]
        lines += ["outbound:", "  route: none"]
        config = folder / "martlet.yaml"
        config.write_text("\n".join(lines) + "\n")
        run_client([martlet, "check", "--config", config])
        self.background = Background([martlet, "serve", "--config", config], folder / "martlet.log")
        if not listening_at([(address, port) for address in addresses]):
            self.background.stop()
            raise Failed(f"martlet serve does not listen:\n{self.log()}")

    def log(self):
        return self.background.output()[-4000:]

    def stop(self):
        return self.background.stop()
