"""Debian packages unpacked in a folder: a mail server to test against, without installing one on the machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from harness import Missing

# A mirror that does not answer at once is asked again, each time a while later.
PATIENTLY = ("-o", "Acquire::Retries=5")


def unpack(package, folder):
    """The folder that holds the files of `package` and of all it needs that the system lacks.

    apt works out what is lacking; nothing is installed, no script of a package runs, and no service starts.
    """
    folder = Path(folder)
    root, done = folder / "root", folder / "unpacked"
    if done.exists():
        return root
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise Missing(f"{package} can be unpacked on Debian and Ubuntu only")
    shutil.rmtree(folder, ignore_errors=True)
    archives = folder / "archives"
    archives.mkdir(parents=True)
    root.mkdir()
    if trouble := download(package, archives):
        # The lists may be older than the packages on offer.
        subprocess.run(["apt-get", "update", "-q", *PATIENTLY], capture_output=True)
        trouble = download(package, archives)
    if trouble:
        raise Missing(f"{package} is missing and could not be downloaded: run `apt-get update` as root. {trouble}")
    for archive in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg", "-x", archive, root], check=True, capture_output=True)
    shutil.rmtree(archives)
    done.touch()
    return root


def download(package, archives):
    """Brings the archives, or tells what apt had to say."""
    plan = subprocess.run(
        ["apt-get", "--simulate", "--no-install-recommends", "--reinstall", "install", package],
        capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    names = set(re.findall(r"^Inst (\S+)", plan.stdout, re.MULTILINE)) | {package}
    fetched = subprocess.run(["apt-get", "download", "-q", *PATIENTLY, *sorted(names)], cwd=archives,
                             capture_output=True, text=True)
    failed = [f"apt-get ended with {done.returncode}: {done.stderr.strip()[-300:]}"
              for done in (plan, fetched) if done.returncode != 0]
    return " ".join(failed)


def library_path(root):
    """The folders of shared libraries below an unpacked root, for LD_LIBRARY_PATH."""
    places = {path.parent for pattern in ("usr/lib/**/*.so*", "lib/**/*.so*") for path in Path(root).glob(pattern)}
    return ":".join(sorted(map(str, places)))
