"""unbound, unpacked in .build-peers: a validating resolver on port 53 of an address of its own, and who asks it."""

import subprocess
from pathlib import Path

from harness import PEERS, Background, Failed, Missing, program
from peers.ports import listening
from peers.unpacked import library_path, unpack


class Unbound:
    """Answers for `zones` by asking `nameserver` (127.0.0.1@PORT), and validates from `anchors` on. Of nothing else it
    knows anything."""

    def __init__(self, folder, nameserver, zones, anchors, address="127.0.53.1"):
        self.folder, self.address = Path(folder), address
        root = unpack("unbound", PEERS / "unbound")
        lines = [
            "server:", f"  interface: {self.address}", "  port: 53", '  username: ""', '  chroot: ""',
            f'  directory: "{self.folder}"', '  pidfile: ""', "  use-syslog: no", "  do-daemonize: no",
            "  num-threads: 1", '  module-config: "validator iterator"', "  do-not-query-localhost: no",
            f'  trust-anchor-file: "{anchors}"', "  cache-max-negative-ttl: 5", "  log-servfail: yes",
            "remote-control:", "  control-enable: no",
        ]
        for zone in [*zones, "."]:
            lines += ["stub-zone:", f'  name: "{zone}"', f"  stub-addr: {nameserver}"]
        configuration = self.folder / "unbound.conf"
        configuration.write_text("\n".join(lines) + "\n")
        self.resolv = self.folder / "resolv.conf"
        self.resolv.write_text(f"nameserver {self.address}\noptions edns0 trust-ad timeout:2 attempts:1\n")
        self.background = Background([root / "usr/sbin/unbound", "-d", "-c", configuration],
                                     self.folder / "unbound.log", env={"LD_LIBRARY_PATH": library_path(root)})
        if not listening([53], self.address):
            self.background.stop()
            raise Failed(f"unbound does not listen:\n{self.log()}")

    @property
    def under(self):
        """What stands in front of a command so that it and its children ask this resolver and no other."""
        prefix = [program("unshare", "util-linux"), "--mount"]
        if subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
            raise Missing("a mount namespace of one's own needs root")
        return [*prefix, "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(self.resolv)]

    def log(self):
        return self.background.output()[-4000:]

    def stop(self):
        return self.background.stop()
