"""Signs and verifies by dkimpy, for whoever runs it with the interpreter that has dkimpy: JSON in, JSON out."""

import base64
import json
import sys

import dkim


def answer(request):
    message = base64.b64decode(request["message"])
    if request["do"] == "sign":
        field = dkim.sign(
            message, request["selector"].encode(), request["domain"].encode(), request["key"].encode(),
            canonicalize=tuple(part.encode() for part in request["canonicalize"]),
            signature_algorithm=request["algorithm"].encode(), include_headers=None, length=request.get("length", False))
        return {"field": base64.b64encode(field).decode()}
    records = {name.encode(): text.encode() for name, text in request["records"].items()}
    verdicts = []
    for index in range(request["signatures"]):
        try:
            verifier = dkim.DKIM(message)
            verdicts.append(bool(verifier.verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name.rstrip(b".")))))
        except dkim.DKIMException as fault:
            verdicts.append(f"{type(fault).__name__}: {fault}")
    return {"verdicts": verdicts}


json.dump([answer(request) for request in json.load(sys.stdin)], sys.stdout)
