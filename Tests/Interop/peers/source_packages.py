"""Source packages of the Python index, for the test data that no wheel carries."""

import subprocess

from harness import PEERS, Missing, venv_python


def source_package(requirement):
    """The archive of `name==version`, fetched once."""
    name, version = requirement.split("==")
    folder = PEERS / "sources"
    archive = folder / f"{name}-{version}.tar.gz"
    if not archive.exists():
        found = subprocess.run(
            [venv_python("pip"), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--no-binary", ":all:", "--dest", str(folder), requirement], capture_output=True, text=True)
        if found.returncode != 0 or not archive.exists():
            raise Missing(f"{requirement} could not be fetched: {found.stderr.strip()[-300:]}")
    return archive
