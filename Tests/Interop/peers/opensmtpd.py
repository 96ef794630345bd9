"""OpenSMTPD between Martlet and the rest of a small world: see relay_peer.py."""

import os
import socket
import ssl

from harness import Failed
from peers.ports import listening_at
from peers.private_root import PrivateRoot
from peers.relay_peer import RelayPeer

SCHEMES = {"clear": "smtp+notls", "opportunistic": "smtp", "encrypt": "smtp+tls", "verified": "smtp+tls",
           "mistrusted": "smtp+tls", "outward": "smtp"}


class OpenSMTPD(RelayPeer):
    title, name, network = "OpenSMTPD", "opensmtpd", "127.0.3"
    mistrusts = "SSL certificate check failed"
    speaks_utf8 = False

    def prepare(self):
        self.root = PrivateRoot(self.folder / "root", "opensmtpd", ["opensmtpd", "opensmtpq", "box"])
        self.root.folder("home/box", "box")
        self.root.folder("var/lib/opensmtpd/empty")
        self.root.folder("var/spool/smtpd", mode=0o711)
        self.root.folder("var/run")
        # smtpctl, which shows the queue, reaches the server by its group.
        control = self.root.inside("usr/sbin/smtpctl")
        os.chown(control, 0, self.root.uid["opensmtpq"])
        control.chmod(0o2755)
        self.root.write("etc/mailname", self.domain + "\n")
        self.root.write("etc/hosts", "127.0.0.1 localhost\n" + "".join(
            f"{hop.address} {hop.name}\n" for hop in self.station.ways.values()))
        # The one file of authorities that it reads.
        self.root.write("etc/ssl/certs/ca-certificates.crt", self.station.ca.read_text())
        faces = self.certificates()
        for kind, (chain, key) in faces.items():
            self.root.bring(chain, f"etc/tls/{kind}.pem")
            self.root.bring(key, f"etc/tls/{kind}.key")
        self.root.write("etc/smtpd.conf", self.settings(faces))
        self.start()
        return self.root.inside("home/box")

    def settings(self, faces):
        # Several letters follow one another here; its politeness between two connections would take seconds.
        lines = [f"mta limit {name} 0" for name in ("conn-delay-host", "conn-delay-route", "conn-delay-relay")]
        for kind in faces:
            lines += [f'pki {kind} cert "/etc/tls/{kind}.pem"', f'pki {kind} key "/etc/tls/{kind}.key"']
        for kind, address in self.addresses.items():
            demand = "tls-require" if kind == "required" else "tls"
            security = f"{demand} pki {kind}" if kind in faces else ""
            lines.append(f"listen on {address} port {self.port} {security} hostname {self.domain}")
        lines.append('action box maildir "/home/box" user box virtual { "@" = box }')
        for way, hop in self.station.ways.items():
            check = "tls no-verify" if way == "encrypt" else ""
            lines.append(f'action to_{way} relay host "{SCHEMES[way]}://{hop.name}:{self.port}" {check} '
                         f'helo "{self.domain}"')
        for domain in self.local:
            lines.append(f'match from any for rcpt-to "refused@{domain}" reject')
        lines.append("match from any for domain { %s } action box" % ", ".join(f'"{name}"' for name in self.local))
        for way in self.station.ways:
            lines.append(f'match from any for domain "{way}.martlet.example" action to_{way}')
        return "\n".join(lines) + "\n"

    def start(self):
        self.process = self.root.start("/usr/sbin/smtpd", "-d", log=self.folder / "smtpd.log")
        if not listening_at(self.listeners()):
            self.stop()
            raise Failed("OpenSMTPD does not start:\n" + self.log())

    def serves_tls(self):
        """Whether a handshake with it succeeds. That of 6.8 (Debian 12) fails under OpenSSL 3 at its signature, with RSA
        and ECDSA, TLS 1.2 and 1.3: the private key is another process's, and OpenSSL 3 does not go by the way to it. As
        a client it speaks TLS."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection((self.addresses["selfsigned"], self.port), timeout=10) as connection:
            stream = connection.makefile("rb")
            stream.readline()
            for command, last in ((b"EHLO probe.example\r\n", b"250 "), (b"STARTTLS\r\n", b"220 ")):
                connection.sendall(command)
                while not stream.readline().startswith(last):
                    pass
            try:
                context.wrap_socket(connection).close()
                return True
            except ssl.SSLError:
                return False

    def queue(self):
        """The queue as OpenSMTPD shows it."""
        done = self.root.run("/usr/sbin/smtpctl", "show", "queue")
        return done.stdout + done.stderr

    def log(self):
        return self.process.output()

    def stop(self):
        self.process.stop()
        self.root.empty()
