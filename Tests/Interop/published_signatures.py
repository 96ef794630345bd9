"""The signed messages and the keys of dkimpy's own tests, each with the verdict that it has to have."""

import base64
import re
import tarfile
from typing import NamedTuple

from harness import case, check
from peers.source_packages import source_package
from signatures import GROUP, WAYS, asked, dkimpy, martlet_verifies, zone

SOURCE = "dkimpy==1.1.8"

EXIM, BRISBANE = "sed._domainkey.test.ex", "brisbane._domainkey.football.example.com"
FOOTBALL, GMAIL = "test._domainkey.football.example.com", "20120113._domainkey.gmail.com"
NO_DOMAIN = "test._domainkey.legitimate.com(.attacker.com"
# The records that stand in the code of dkimpy's tests. The first is RFC 8463 Appendix A's.
BRISBANE_KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
GMAIL_KEY = ("p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1Kd87/UeJjenpabgbFwh+eBCsSTrqmwIYYvywlbhbqoo2DymndFkbjOVIPIl"
             "dNs/m40KF+yzMn1skyoxcTUGCQs8g3FgD2Ap3ZB5DekAo5wMmk4wimDO+U8QzI3SD07y2+07wlNWwIt8svnxgdxGkVbbhzY8i+RQ9DpSV"
             "pPbF7ykQxtKXkv/ahW3KjViiAH+ghvvIhkx4xYSIc9oSwVmAl5OctMEeWUwg8Istjqz8BZeTWbf41fbNhte7Y+YqZOwq1Sd0DbvYAD9NO"
             "ZK9vlfuac0598HY+vtSBczUiKERHv1yRbcaQtZFh5wtiRrN04BLUTD21MycBX5jYchHjPY/wIDAQAB")
SHORT_KEY = ("k=rsa; s=email;p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANmBe10IgY+u7h3enWTukkqtUD5PR52Tb/mPfjC0QJTocVBq6Za/PlzfV+P"
             "y92VaCak19F4WrbVTK5Gg5tW220MCAwEAAQ==")
TORN_KEY = SHORT_KEY.replace("s=email;", "").replace("IhvcN", "IhvN")

OTHER_KEY = "a field that it signs has changed, or it was made with another key"


class Judged(NamedTuple):
    """A message of dkimpy's test data, the records that are published, and what each side makes of its signatures in
    turn: Martlet's result with words of its reason, and dkimpy's verdict, or the beginning of its complaint. A record
    whose text is the name of a file stands for what is in that."""
    file: str
    records: dict
    martlet: list
    dkimpy: list


JUDGED = (
    # By a prototype of Exim, with the key of that and with another.
    Judged("ed25519test2.msg", {EXIM: "eximtest.dns"}, [("pass", "test.ex")], [True]),
    Judged("ed25519test2.msg", {EXIM: "ed25519test.dns"}, [("fail", OTHER_KEY)], [False]),
    # RFC 8463 Appendix A's message, signed by both of its keys.
    Judged("rfc6376.signed.msg", {BRISBANE: BRISBANE_KEY, FOOTBALL: "test.txt"},
           [("pass", "football.example.com"), ("pass", "football.example.com")], [True, True]),
    # A record that is missing spoils its own signature alone (RFC 6376 §6.1).
    Judged("rfc6376.signed.msg", {BRISBANE: BRISBANE_KEY},
           [("pass", "football.example.com"), ("permerror", f"{FOOTBALL} does not exist")], [True, False]),
    Judged("rfc6376.signed.rsa.msg", {FOOTBALL: "test.txt"}, [("pass", "football.example.com")], [True]),
    # Its t= was taken out and an x= put in, behind the signing.
    Judged("rfc6376.signed.no_t.msg", {FOOTBALL: "test.txt"}, [("fail", OTHER_KEY)], [False]),
    # As Gmail signed in 2013, with a fold in b= that is white space alone. k=rsa is the default (RFC 6376 §3.6.1).
    Judged("test2.message", {GMAIL: f"k=rsa; {GMAIL_KEY}"}, [("pass", "gmail.com")], [True]),
    Judged("test2.message", {GMAIL: GMAIL_KEY}, [("pass", "gmail.com")], [True]),
    # Its key of 2011 is published nowhere (RFC 6376 §6.1.2 number 3).
    Judged("message.mbox", {}, [("permerror", "2007-00._domainkey.kitterman.com does not exist")], [False]),
    # A syntax error makes a signature be ignored, whatever the DNS has there (RFC 6376 §6.1.1).
    Judged("test.message.baddomain", {NO_DOMAIN: "test.txt"}, [("neutral", "d= is no domain name")],
           ["ValidationError: d= value is not valid"]),
    # RFC 6376 §3.6.1: without k= it is rsa; an unknown k=, another v= and an s= for other services make no key.
    Judged("rfc6376.signed.rsa.msg", {FOOTBALL: "test2.txt"}, [("pass", "football.example.com")], [True]),
    Judged("rfc6376.signed.rsa.msg", {FOOTBALL: "badk.txt"}, [("permerror", "k= is neither rsa nor ed25519")], [False]),
    Judged("rfc6376.signed.rsa.msg", {FOOTBALL: "badversion.txt"}, [("permerror", "v= is not DKIM1")], [False]),
    Judged("rfc6376.signed.rsa.msg", {FOOTBALL: "test_tlsrpt.txt"}, [("permerror", "s= is without email")],
           ["ValidationError: Message is not tlsrpt and Service Type is tlsrpt"]),
    # RFC 6376 §6.1.2 number 8 asks for a key that can be read; a DER cut short, and base64 without an octet, can't be.
    Judged("rfc6376.signed.rsa.msg", {FOOTBALL: "test_bad.txt"}, [("permerror", "p= is no RSA key of 1024 bits or more")],
           [False]),
    Judged("rfc6376.signed.rsa.msg", {FOOTBALL: TORN_KEY}, [("permerror", "p= is no base64")], [False]),
    # RFC 8301 §3.2: a key of 512 bits verifies nothing, whoever has it.
    Judged("rfc6376.signed.rsa.msg", {FOOTBALL: SHORT_KEY}, [("permerror", "p= is no RSA key of 1024 bits or more")],
           [False]),
)

# The keys that dkimpy's tests sign with and the record of each: RSA's as SubjectPublicKeyInfo, which everybody has, and
# as RSAPublicKey, which is RFC 6376's word (§3.6.1).
PAIRS = (
    ("test.private", "test.txt"),
    ("1024_testkey.key", "1024_testkey_wo_markers.pub.txt"), ("1024_testkey.key", "1024_testkey_wo_markers.pub.rsa.txt"),
    ("2048_testkey.key", "2048_testkey_wo_markers.pub.txt"), ("2048_testkey.key", "2048_testkey_wo_markers.pub.rsa.txt"),
    ("2048_testkey_PKCS8.key", "2048_testkey_PKCS8.key.pub.txt"),
    ("ed25519test.key", "ed25519test.dns"),
)
# The messages that they sign.
UNSIGNED = ("ed25519test.msg", "rfc6376.msg", "rfc6376.w1258.msg", "test.message", "test_extra.message", "message.mbox")


class Published:
    """Records as `signatures` wants keys to be."""

    def __init__(self, folder, records):
        self.records, self.zone = records, folder / "keys.zone"
        self.zone.write_text(zone(records))


def test_data():
    """The files of dkimpy's test data, by name."""
    with tarfile.open(source_package(SOURCE)) as package:
        return {name.rsplit("/", 1)[1]: package.extractfile(name).read()
                for name in package.getnames() if "/tests/data/" in name and package.getmember(name).isfile()}


def as_sent(content):
    return content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def signatures_of(content):
    return len(re.findall(rb"(?im)^dkim-signature:", content))


def check_nothing_is_left_out(data):
    """What is signed, and what is a key record, in the test data and in the table, is the same."""
    signed = {name for name, content in data.items() if signatures_of(content)}
    judged = {row.file for row in JUDGED}
    check(signed == judged, f"signed in {SOURCE} and not judged here, or the other way round: {signed ^ judged}")
    keys = {name for name, content in data.items() if re.search(rb"(?m)^(v=DKIM1|k=\w+)[:;].*\bp=", content)}
    published = {text for row in JUDGED for text in row.records.values() if text in data} | {file for _, file in PAIRS}
    check(keys == published, f"keys of {SOURCE} and not published here, or the other way round: {keys ^ published}")


def verdict_is(wanted, verdict):
    return verdict.startswith(wanted) if isinstance(wanted, str) and isinstance(verdict, str) else verdict is wanted


@case("the signed messages and the keys of dkimpy's own tests have their verdicts, by Martlet and by dkimpy", GROUP,
      ids=("DKIM-002", "DKIM-003", "DKIM-004", "DKIM-010", "DKIM-011"))
def verdicts(bench):
    data, folder = test_data(), bench.place("dkim-data")
    check_nothing_is_left_out(data)
    requests, count = [], 0
    for row in JUDGED:
        keys = Published(folder, {
            name: data[text].decode().strip() if text in data else text for name, text in row.records.items()})
        message = as_sent(data[row.file])
        requests.append(asked(message, keys, signatures=signatures_of(message)))
        found = martlet_verifies(bench, keys, message)
        right = [result == wanted and words in reason
                 for (result, reason), (wanted, words) in zip(found, row.martlet, strict=True)]
        check(all(right), f"{row.file} with {row.records}: Martlet says {found}, not {row.martlet}")
        count += len(found)
    for row, found in zip(JUDGED, dkimpy(requests), strict=True):
        right = [verdict_is(wanted, verdict) for verdict, wanted in zip(found["verdicts"], row.dkimpy, strict=True)]
        check(all(right), f"{row.file} with {row.records}: dkimpy says {found['verdicts']}, not {row.dkimpy}")
    return f"{count} signatures in {len({row.file for row in JUDGED})} files"


@case("Martlet verifies dkimpy's test messages by the keys of its tests, whichever form a record has", GROUP,
      ids=("DKIM-002", "DKIM-003", "DKIM-004", "DKIM-010"))
def forms_of_keys(bench):
    data, folder = test_data(), bench.place("dkim-pairs")
    messages, requests = [], []
    for key, record in PAIRS:
        algorithm = "ed25519-sha256" if key.startswith("ed25519") else "rsa-sha256"
        for name in UNSIGNED:
            for way in WAYS:
                messages.append((f"{name} by {key}, {way}", record, as_sent(data[name])))
                requests.append({
                    "do": "sign", "message": base64.b64encode(messages[-1][2]).decode(), "selector": "test",
                    "domain": "example.net", "key": data[key].decode().strip(), "canonicalize": [way, way],
                    "algorithm": algorithm})
    for (words, record, message), found in zip(messages, dkimpy(requests), strict=True):
        keys = Published(folder, {"test._domainkey.example.net": data[record].decode().strip()})
        verdict = martlet_verifies(bench, keys, base64.b64decode(found["field"]) + message)[0]
        check(verdict[0] == "pass", f"{words}, with {record}: {verdict}")
    return f"{len(requests)} messages"
