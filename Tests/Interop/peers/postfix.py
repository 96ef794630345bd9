"""Postfix as a smarthost, unpacked in .build-peers: implicit TLS and STARTTLS, AUTH by Dovecot, mail into a Maildir."""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from harness import PEERS, Failed, Maildir, Missing
from peers.certificates import Authority
from peers.ports import free_ports, listening
from peers.unpacked import library_path, unpack

DOMAIN = "deliver.example"

SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
pickup unix n - n 60 1 pickup
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """A private instance on 127.0.0.1. `starttls` is a port with STARTTLS, `implicit` one with TLS from the first byte.
    With `sasl_socket` both demand AUTH, unless `plain`: then cleartext will do and AUTH is a choice. Mail for `DOMAIN`
    lands in `maildir`, mail for hold.example stays in the queue; `transports` says where that of other domains goes.
    Postfix's master has to be started by root.

    `services` are lines of master.cf beside those, `amended` settings of main.cf in place of those below, and `under`
    is a command that starts it."""

    def __init__(self, folder, sasl_socket=None, plain=False, transports=None, services="", amended=None, under=()):
        if os.geteuid() != 0:
            raise Missing("Postfix needs root to start its processes")
        self.folder, self.under = Path(folder), list(under)
        self.root = unpack("postfix", PEERS / "postfix")
        self.program = self.root / "usr/sbin/postfix"
        self.account = self.make_accounts()
        self.ports = dict(zip(("starttls", "implicit"), free_ports(2)))
        self.authority = Authority(self.folder / "tls")
        self.ca = self.authority.ca
        chain, key = self.authority.issue("localhost", "IP:127.0.0.1")
        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MAIL_CONFIG": str(self.folder / "etc"),
            "LD_LIBRARY_PATH": library_path(self.root)}
        self.maildir = Maildir(self.folder / "mail/box")
        for name in ("etc", "queue", "data", "mail"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("data", "mail"):
            shutil.chown(self.folder / name, self.account.pw_name)
        amended = dict(amended or {})
        if transports:
            amended["transport_maps"] = f"inline:{{{' '.join(f'{{{a}={b}}}' for a, b in transports.items())}}}"
        (self.folder / "etc/main.cf").write_text(self.settings(chain, key, sasl_socket, plain, amended))
        (self.folder / "etc/master.cf").write_text(
            f"127.0.0.1:{self.ports['starttls']} inet n - n - - smtpd\n"
            f"127.0.0.1:{self.ports['implicit']} inet n - n - - smtpd\n  -o smtpd_tls_wrappermode=yes\n"
            + SERVICES + services)
        self.start()

    @staticmethod
    def make_accounts():
        """The users Postfix insists on. They can do nothing, and stay behind for the next run."""
        def run(*command):
            subprocess.run(command, check=True, capture_output=True)
        if subprocess.run(["getent", "group", "postdrop"], capture_output=True).returncode != 0:
            run("groupadd", "--system", "postdrop")
        try:
            return pwd.getpwnam("postfix")
        except KeyError:
            run("useradd", "--system", "--no-create-home", "--home-dir", "/var/spool/postfix", "--shell",
                "/usr/sbin/nologin", "postfix")
            return pwd.getpwnam("postfix")

    def settings(self, chain, key, sasl_socket, plain, amended):
        root, folder = self.root, self.folder
        trust = "permit_mynetworks" if sasl_socket is None or plain else "permit_sasl_authenticated"
        lines = {
            "compatibility_level": "3.6",
            "config_directory": folder / "etc",
            "queue_directory": folder / "queue",
            "data_directory": folder / "data",
            "command_directory": root / "usr/sbin",
            "daemon_directory": root / "usr/lib/postfix/sbin",
            "shlib_directory": root / "usr/lib/postfix",
            "meta_directory": root / "etc/postfix",
            "sendmail_path": root / "usr/sbin/sendmail",
            "mailq_path": root / "usr/sbin/mailq",
            "newaliases_path": root / "usr/sbin/newaliases",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "import_environment": "LD_LIBRARY_PATH=" + self.environment["LD_LIBRARY_PATH"] + " MAIL_CONFIG="
                                  + self.environment["MAIL_CONFIG"],
            "export_environment": "LD_LIBRARY_PATH MAIL_CONFIG",
            "maillog_file": folder / "postfix.log",
            "maillog_file_prefixes": folder,
            "myhostname": "postfix.example.com",
            "mydestination": "",
            "alias_maps": "",
            "alias_database": "",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtp_host_lookup": "native",
            "virtual_mailbox_domains": DOMAIN,
            "virtual_mailbox_base": folder / "mail",
            "virtual_mailbox_maps": "static:box/",
            "virtual_minimum_uid": "1",
            "virtual_uid_maps": f"static:{self.account.pw_uid}",
            "virtual_gid_maps": f"static:{self.account.pw_gid}",
            "smtpd_relay_restrictions": f"{trust} reject_unauth_destination",
            "smtpd_recipient_restrictions": "check_recipient_access inline:{hold.example=HOLD}",
            "smtpd_client_connection_count_limit": "0",
            "default_process_limit": "200",
            "smtpd_tls_cert_file": chain,
            "smtpd_tls_key_file": key,
            "smtpd_tls_security_level": "may" if plain else "encrypt",
            "smtpd_tls_received_header": "yes",
        }
        if sasl_socket is not None:
            lines |= {"smtpd_sasl_auth_enable": "yes", "smtpd_sasl_type": "dovecot", "smtpd_sasl_path": sasl_socket,
                      "smtpd_tls_auth_only": "yes"}
            if not plain:
                lines["smtpd_client_restrictions"] = "permit_sasl_authenticated reject"
        return "".join(f"{name} = {value}\n" for name, value in (lines | amended).items())

    def start(self):
        started = subprocess.run([*self.under, self.program, "start"], env=self.environment, capture_output=True,
                                 text=True)
        if started.returncode != 0 or not listening(self.ports.values()):
            raise Failed("Postfix does not start:\n" + started.stderr + self.log())

    def processes(self):
        """The process ids of the whole instance: its master and everything below it."""
        try:
            master = int((self.folder / "queue/pid/master.pid").read_text())
        except (FileNotFoundError, ValueError):
            return []
        children = [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat")
                    if parent_of(path) == master]
        return [master, *children]

    def queue(self):
        """The queue as `postqueue -p` shows it."""
        return subprocess.run([self.root / "usr/sbin/postqueue", "-p"], env=self.environment, capture_output=True,
                              text=True).stdout

    def log(self):
        path = self.folder / "postfix.log"
        return path.read_text("utf-8", "replace")[-4000:] if path.exists() else ""

    def stop(self):
        subprocess.run([self.program, "stop"], env=self.environment, capture_output=True)
        until = time.monotonic() + 10
        while self.processes() and Path(f"/proc/{self.processes()[0]}").exists() and time.monotonic() < until:
            time.sleep(0.05)


def parent_of(stat):
    try:
        return int(stat.read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
