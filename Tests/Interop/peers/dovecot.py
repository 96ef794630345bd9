"""Dovecot as a private instance: LMTP on a port of loopback and on a UNIX socket, and an AUTH service for Postfix.

No system service is started or touched; settings, mail and sockets live in the test's own folder.
"""

import grp
import os
import pwd
from pathlib import Path

from harness import Background, Failed, Maildir, Missing, program
from peers.ports import free_ports, listening


class Dovecot:
    """`port` and `socket` speak LMTP; `maildir(user)` is where a user's mail lands; `sasl` is the AUTH socket, which
    knows `user` with `password`. LMTP knows everybody, or with `users` those alone, who are addresses."""

    user, password = "relay@example.org", "gentle-heron-42"

    def __init__(self, folder, users=None):
        self.folder, self.users = Path(folder), users
        self.program = program("dovecot", "dovecot-lmtpd")
        if not Path("/usr/lib/dovecot/lmtp").exists():
            raise Missing("Dovecot's LMTP is missing: install dovecot-lmtpd")
        self.port, = free_ports(1)
        self.socket, self.sasl = self.folder / "run/lmtp", self.folder / "run/auth-postfix"
        (self.folder / "mail").mkdir(parents=True)
        (self.folder / "passwords").write_text(
            "".join(f"{user}:{{PLAIN}}{self.password}\n" for user in [self.user, *(users or [])]))
        (self.folder / "dovecot.conf").write_text(self.settings())
        self.start()

    def start(self):
        self.process = Background([self.program, "-F", "-c", self.folder / "dovecot.conf"], self.folder / "start.log")
        if not listening([self.port]):
            self.process.stop()
            raise Failed("Dovecot does not start:\n" + self.process.output() + self.log())

    def settings(self):
        folder = self.folder
        me = pwd.getpwuid(os.geteuid()).pw_name
        everybody = " allow_all_users=yes" if self.users is None else ""
        # Mail is never stored as root: Dovecot refuses to, and rightly.
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        if os.geteuid() == 0:
            os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
        return f"""
base_dir = {folder}/run
state_dir = {folder}/run
ssl = no
protocols = lmtp
log_path = {folder}/dovecot.log
default_internal_user = {me}
default_internal_group = {grp.getgrgid(os.getegid()).gr_name}
default_login_user = {me}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{folder}/mail/%u
mail_home = {folder}/mail/%u
submission_host = 127.0.0.1:1
postmaster_address = postmaster@example.net
passdb {{
  driver = passwd-file
  args = {folder}/passwords
}}
userdb {{
  driver = static
  args = uid={owner.pw_uid} gid={owner.pw_gid} home={folder}/mail/%u{everybody}
}}
auth_mechanisms = plain login
service lmtp {{
  chroot =
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {self.port}
  }}
  unix_listener lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener auth-postfix {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""

    def maildir(self, user):
        return Maildir(self.folder / "mail" / user)

    def log(self):
        path = self.folder / "dovecot.log"
        return path.read_text("utf-8", "replace")[-4000:] if path.exists() else ""

    def stop(self):
        self.process.stop()
