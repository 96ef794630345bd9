"""A folder in which a server lives as if it were a whole system: its own accounts, spool, sockets and settings.

Exim and OpenSMTPD have their paths and users compiled in. Started with chroot in such a folder they touch nothing of
the machine, and need neither an installed package nor a user on it.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness import PEERS, Background, Missing, program
from peers.unpacked import library_path, unpack

# Users inside the folder; the machine outside may not know them.
FIRST_USER = 60001
DEVICES = {"null": (1, 3), "random": (1, 8), "urandom": (1, 9)}
PROGRAMS = ("/bin/sh", "/bin/cat")


class PrivateRoot:
    """`path` holds Debian's `package` with all it needs to run. `users` are made in order, each with a group of its
    name and, in `uid`, its number."""

    def __init__(self, path, package, users):
        if os.geteuid() != 0:
            raise Missing(f"{package} needs root: it runs in a folder of its own by chroot")
        self.path = Path(path)
        self.uid = {user: FIRST_USER + index for index, user in enumerate(users)}
        unpacked = unpack(package, PEERS / package)
        self.path.mkdir(parents=True)
        self.path.chmod(0o755)
        subprocess.run(["cp", "-a", f"{unpacked}/.", self.path], check=True)
        for file in self.needed(unpacked):
            self.folder(str(file.parent))
            shutil.copy(file, self.inside(file))
        self.folder("tmp").chmod(0o1777)
        self.folder("run")
        self.folder("dev")
        try:
            for name, (major, minor) in DEVICES.items():
                os.mknod(self.inside(f"dev/{name}"), 0o20666, os.makedev(major, minor))
                self.inside(f"dev/{name}").chmod(0o666)
        except PermissionError:
            raise Missing(f"{package} needs a root that may make device nodes") from None
        self.write("etc/passwd", "root:x:0:0::/:/bin/sh\n" + "".join(
            f"{user}:x:{number}:{number}::/home/{user}:/bin/sh\n" for user, number in self.uid.items()))
        self.write("etc/group", "root:x:0:\nmail:x:8:\n" + "".join(
            f"{user}:x:{number}:\n" for user, number in self.uid.items()))
        self.write("etc/services", "smtp 25/tcp\nsmtps 465/tcp\nsubmission 587/tcp\n")
        # Nothing answers there, so that no lookup leaves the machine; /etc/hosts knows all the names.
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")

    @staticmethod
    def needed(unpacked):
        """The files of the machine that the programs of the package cannot do without."""
        programs = [path for pattern in ("usr/sbin/*", "usr/bin/*", "usr/libexec/**/*")
                    for path in unpacked.glob(pattern) if path.is_file() and not path.is_symlink()]
        environment = os.environ | {"LD_LIBRARY_PATH": library_path(unpacked), "LC_ALL": "C"}
        found = {Path(path) for path in PROGRAMS}
        for path in [*programs, *PROGRAMS]:
            listed = subprocess.run(["ldd", path], capture_output=True, text=True, env=environment).stdout
            found |= {Path(library) for library in re.findall(r"(/\S+) \(0x", listed)}
        return [path for path in sorted(found) if unpacked not in path.parents]

    def inside(self, path):
        return self.path / str(path).lstrip("/")

    def folder(self, path, owner=None, mode=0o755):
        """A folder inside, with its parents."""
        place = self.inside(path)
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(mode)
        if owner:
            os.chown(place, self.uid[owner], self.uid[owner])
        return place

    def write(self, path, text, owner=None, mode=0o644):
        """A file inside, whole."""
        self.folder(str(Path(path).parent))
        place = self.inside(path)
        place.write_text(text)
        place.chmod(mode)
        if owner:
            os.chown(place, self.uid[owner], self.uid[owner])

    def bring(self, file, path, owner=None):
        """A copy of a file from outside, readable by its owner alone."""
        self.write(path, Path(file).read_text(), owner, 0o600)

    def command(self, *words):
        return [program("chroot", "coreutils"), self.path, *words]

    def run(self, *words):
        """What a program prints inside."""
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=30)

    def start(self, *words, log):
        return Background(self.command(*words), log, cwd="/")

    def processes(self):
        """The ids of the processes that live inside: those we started and their children."""
        found = []
        for root in Path("/proc").glob("[0-9]*/root"):
            try:
                if os.readlink(root) == str(self.path):
                    found.append(int(root.parent.name))
            except OSError:
                continue
        return found

    def empty(self, seconds=10):
        """Waits until nobody lives inside any more, then insists."""
        until = time.monotonic() + seconds
        while self.processes() and time.monotonic() < until:
            time.sleep(0.05)
        for process in self.processes():
            try:
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                continue
