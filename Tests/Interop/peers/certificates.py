"""A certificate authority for one test, made with openssl: ECDSA on P-256. And the digests that TLSA records have."""

import base64
import hashlib
import shutil
import ssl
import subprocess
from pathlib import Path

from harness import program


class Authority:
    """`ca` is the certificate to trust; `issue` makes a chain and a key for a host name."""

    def __init__(self, folder):
        self.prepare(folder)
        self.openssl("req", "-x509", *self.new_key("ca.key"), "-out", "ca.pem", "-days", "2", "-subj",
                     "/CN=Interop CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def prepare(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca, self.key = self.folder / "ca.pem", self.folder / "ca.key"
        self.count = 0

    def branch(self, folder):
        """The same authority with another folder to work in: two may issue at the same time."""
        other = Authority.__new__(Authority)
        other.prepare(folder)
        shutil.copy(self.ca, other.ca)
        shutil.copy(self.key, other.key)
        return other

    def issue(self, name, *others, days=2):
        """The paths of a chain (leaf alone: the CA signs it) and its key. Names are DNS unless they say `IP:`."""
        self.count += 1
        leaf, key = f"{self.count}.pem", f"{self.count}.key"
        names = ",".join(other if ":" in other else f"DNS:{other}" for other in (name, *others))
        (self.folder / "extensions").write_text(
            f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth\n")
        self.openssl("req", *self.new_key(key), "-out", "request.pem", "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                     "-out", leaf, "-days", str(days), "-extfile", "extensions")
        return self.folder / leaf, self.folder / key

    def self_signed(self, name, days=2):
        """The paths of a certificate for `name` that stands on itself alone, and of its key."""
        self.count += 1
        leaf, key = f"{self.count}.pem", f"{self.count}.key"
        self.openssl("req", "-x509", *self.new_key(key), "-out", leaf, "-days", str(days), "-subj", f"/CN={name}",
                     "-addext", f"subjectAltName=DNS:{name}")
        return self.folder / leaf, self.folder / key

    @staticmethod
    def new_key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    def openssl(self, *options):
        subprocess.run([program("openssl", "openssl"), *options], cwd=self.folder, check=True, capture_output=True)


def key_digest(certificate):
    """SHA-256 of the public key of a PEM file's first certificate, as `3 1 1` has it (RFC 6698 §2.1.3)."""
    done = subprocess.run([program("openssl", "openssl"), "x509", "-in", certificate, "-noout", "-pubkey"], check=True,
                          capture_output=True, text=True)
    return hashlib.sha256(base64.b64decode("".join(done.stdout.splitlines()[1:-1]))).hexdigest()


def certificate_digest(certificate):
    """SHA-256 of a PEM file's first certificate, as `2 0 1` has it."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(Path(certificate).read_text())).hexdigest()
