"""Processor seconds of one signing and one verifying by dkimpy, by the interpreter that has it: JSON in, JSON out."""

import base64
import json
import sys
import time

import dkim

SECONDS = 0.5


def taken(work):
    """Of one of them, after one to warm up."""
    work()
    count, start = 0, time.process_time()
    while (now := time.process_time()) - start < SECONDS:
        work()
        count += 1
    return (now - start) / count


request = json.load(sys.stdin)
message = base64.b64decode(request["message"])
records = {name.encode(): text.encode() for name, text in request["records"].items()}
figures = {}
for kind, key in request["keys"].items():
    def sign():
        return dkim.sign(message, kind.encode(), request["domain"].encode(), key.encode(),
                         canonicalize=(b"relaxed", b"relaxed"), signature_algorithm=f"{kind}-sha256".encode())

    def verify():
        if not dkim.verify(signed, dnsfunc=lambda name, timeout=5: records.get(name.rstrip(b"."))):
            raise SystemExit(f"dkimpy does not verify its own signature with {kind}")

    signed = sign() + message
    figures[f"{kind}: signing"], figures[f"{kind}: verifying"] = taken(sign), taken(verify)
json.dump(figures, sys.stdout)
