"""The suite of RFC 7208 that the SPF community publishes, every case of it, by `martlet auth check --zone`."""

import json
import subprocess
import tarfile

from harness import case, check, venv_python
from peers.source_packages import source_package

GROUP = "auth"
SOURCE, CASES = "pyspf==2.0.14", 203
STRING = 255


def suite():
    """The scenarios of the suite, out of the source package that carries it."""
    with tarfile.open(source_package(SOURCE)) as package:
        [member] = [name for name in package.getnames() if name.endswith("test/rfc7208-tests.yml")]
        text = package.extractfile(member).read().decode()
    # Every scalar stays the text that it is: to YAML 1.1 an address may be a number.
    loaded = subprocess.run(
        [venv_python("yaml"), "-c", "import json, sys, yaml; json.dump(list(yaml.load_all(sys.stdin, yaml.BaseLoader)), sys.stdout)"],
        input=text, capture_output=True, text=True, check=True)
    return [scenario for scenario in json.loads(loaded.stdout) if scenario]


def octets(text):
    return "".join(chr(o) if 0x20 <= o < 0x7f and chr(o) not in '"\\' else f"\\{o:03d}" for o in text.encode())


def name(text):
    return "".join(c if 0x21 <= ord(c) < 0x7f and c not in '"\\;()@$' else f"\\{ord(c):03d}" for c in text.rstrip(".")) + "."


def zone(data):
    """A zone file of a scenario's data, and the names that nobody answers for."""
    lines, failing = [], []
    for owner, entries in data.items():
        # RFC 7208 has no type SPF: such a record stands for TXT, unless the name says expressly what its TXT is.
        types = {kind for entry in entries if isinstance(entry, dict) for kind in entry}
        for entry in entries:
            if entry == "TIMEOUT":
                failing.append(owner.rstrip("."))
                continue
            [(kind, value)] = entry.items()
            if kind == "SPF":
                if "TXT" in types:
                    continue
                kind = "TXT"
            if kind == "TXT":
                if value == "NONE":
                    continue
                strings = (value or [""]) if isinstance(value, list) else [value]
                parts = [s[i:i + STRING] for s in strings for i in range(0, max(1, len(s)), STRING)]
                text = " ".join(f'"{octets(part)}"' for part in parts)
            elif kind == "MX":
                text = f"{value[0]} {name(value[1]) if value[1] else '.'}"
            elif kind in ("CNAME", "PTR"):
                text = name(value)
            else:
                text = value
            lines.append(f"{name(owner)} 300 IN {kind} {text}")
    return "\n".join(lines) + "\n", failing


def verdict(martlet, place, failing, test):
    command = [martlet, "auth", "check", "--json", "--zone", str(place), "--ip", test["host"],
               "--mail-from", f"<{test['mailfrom']}>" if test["mailfrom"] else "<>", "--helo", test["helo"]]
    for owner in failing:
        command += ["--fails", owner]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if answer.returncode not in (0, 1, 75):
        return f"exit {answer.returncode}: {answer.stderr.strip()}", None
    found = json.loads(answer.stdout)["spf"][-1]
    return found["result"], found.get("explanation") or "DEFAULT"


@case("every case of the published suite of RFC 7208 has its result", GROUP,
      ids=("SPF-001", "SPF-002", "SPF-003", "SPF-005"))
def whole_suite(bench):
    folder = bench.place("spf-suite")
    count, wrong = 0, []
    for number, scenario in enumerate(suite()):
        text, failing = zone(scenario["zonedata"])
        place = folder / f"{number}.zone"
        place.write_text(text)
        for key, test in scenario["tests"].items():
            count += 1
            wanted = test["result"] if isinstance(test["result"], list) else [test["result"]]
            result, explanation = verdict(bench.martlet, place, failing, test)
            if result not in wanted:
                wrong.append(f"{scenario['description']}: {key}: {result}, not {' or '.join(wanted)}")
            elif "explanation" in test and explanation != test["explanation"]:
                wrong.append(f"{scenario['description']}: {key}: says {explanation!r}, not {test['explanation']!r}")
    check(count == CASES, f"{SOURCE} has {CASES} cases, and {count} were found")
    check(not wrong, f"{len(wrong)} of {count} differ:\n" + "\n".join(wrong))
    return f"{count} cases"
