"""Exim (exim4-daemon-light) between Martlet and the rest of a small world: see relay_peer.py."""

from harness import Failed
from peers.ports import listening_at
from peers.private_root import PrivateRoot
from peers.relay_peer import RelayPeer

USER = "Debian-exim"  # compiled in


class Exim(RelayPeer):
    title, name, network = "Exim", "exim", "127.0.2"
    mistrusts = "certificate verification failed"

    def prepare(self):
        self.root = PrivateRoot(self.folder / "root", "exim4-daemon-light", [USER])
        for folder in ("var/spool/exim4", "var/log/exim4", "etc/exim4", "home/box"):
            self.root.folder(folder, USER)
        # It works as one user throughout, and has no need to become root.
        self.root.inside("usr/sbin/exim4").chmod(0o755)
        self.root.bring(self.station.ca, "etc/exim4/ca.pem", USER)
        for kind, (chain, key) in self.certificates().items():
            self.root.bring(chain, f"etc/exim4/{self.addresses[kind]}.pem", USER)
            self.root.bring(key, f"etc/exim4/{self.addresses[kind]}.key", USER)
        self.root.write("etc/hosts", "127.0.0.1 localhost\n" + "".join(
            f"{hop.address} {hop.name}\n" for hop in self.station.ways.values()))
        self.root.write("etc/exim4/exim4.conf", self.settings())
        self.start()
        return self.root.inside("home/box")

    def settings(self):
        clear, required = self.addresses["clear"], self.addresses["required"]
        interfaces = "; ".join(f"{address}.{self.port}" for address, _ in self.listeners())
        ways = "".join(f"""
{way}:
  driver = manualroute
  domains = {way}.martlet.example
  transport = {way}
  route_data = {hop.name}::{self.port} byname
  self = send
""" for way, hop in self.station.ways.items())
        verifying = "hosts_require_tls = *\n  tls_verify_hosts = *\n  tls_verify_certificates = /etc/exim4/ca.pem"
        return f"""
primary_hostname = {self.domain}
local_interfaces = <; {interfaces}
tls_advertise_hosts = ${{if eq{{$received_ip_address}}{{{clear}}}{{}}{{*}}}}
tls_certificate = /etc/exim4/$received_ip_address.pem
tls_privatekey = /etc/exim4/$received_ip_address.key
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_mail = acl_mail
acl_smtp_rcpt = acl_rcpt
deliver_drop_privilege = true
host_lookup =
rfc1413_hosts =
pid_file_path = /run/exim.pid
log_selector = +smtp_protocol_error +tls_certificate_verified
keep_environment =
domainlist ours = {" : ".join(self.local)}
begin acl
acl_mail:
  deny condition = ${{if eq{{$received_ip_address}}{{{required}}}}}
       !encrypted = *
       message = 530 5.7.0 Must issue a STARTTLS command first
  accept
acl_rcpt:
  deny local_parts = refused
       message = 550 5.1.1 No such mailbox
  accept
begin routers
box:
  driver = accept
  domains = +ours
  transport = box
{ways}
begin transports
box:
  driver = appendfile
  maildir_format
  directory = /home/box
  envelope_to_add
  return_path_add
  user = {USER}
clear:
  driver = smtp
  allow_localhost
  hosts_avoid_tls = *
opportunistic:
  driver = smtp
  allow_localhost
outward:
  driver = smtp
  allow_localhost
encrypt:
  driver = smtp
  allow_localhost
  hosts_require_tls = *
verified:
  driver = smtp
  allow_localhost
  {verifying}
mistrusted:
  driver = smtp
  allow_localhost
  {verifying}
begin retry
* * F,1h,10s
"""

    def start(self):
        self.process = self.root.start("/usr/sbin/exim4", "-bdf", "-q5s", log=self.folder / "exim.log")
        if not listening_at(self.listeners()):
            self.stop()
            raise Failed("Exim does not start:\n" + self.process.output() + self.log())

    def queue(self):
        """The queue as Exim shows it."""
        return self.root.run("/usr/sbin/exim4", "-bp").stdout

    def log(self):
        path = self.root.inside("var/log/exim4/mainlog")
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def stop(self):
        self.process.stop()
        self.root.empty()
