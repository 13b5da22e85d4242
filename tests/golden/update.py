"""Write the goldens anew: `python tests/golden/update.py --results-change "LINE"`.

Digests that change need a line under "Results change" in CHANGELOG.md, and the command takes that very
line: numbers do not change unnoticed. New cases need none, nor do searches whose goldens were made with other
kernels or packages: whether those have changed cannot be seen here. Without --write it only says what would
change.
"""

import argparse
import json
import sys
from pathlib import Path

from mecsim.registry import list_policies
from mecsim.scenario.shipped import shipped_files
from mecsim.testing import golden

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "mecsim" / "testing" / golden.FILE


def wanted():
    """Return every case there must be."""
    shipped = [e.name for e in list_policies() if e.target.startswith("mecsim_policies")]
    return golden.cases(sorted(shipped_files()), shipped)


def results_changes(text):
    """Return what stands under "Results change" in a changelog, newest first, spaces joined."""
    parts = text.split("### Results change")[1:]
    return [" ".join(part.split("\n#", 1)[0].split()) for part in parts]


def refusal(old, new, line, changelog):
    """Return why the goldens may not be written, or an empty text."""
    changed = sorted(case for case in old.keys() & new.keys() if old[case] != new[case])
    if not changed:
        return ""
    named = ", ".join("/".join(case) for case in changed[:5]) + (", ..." if len(changed) > 5 else "")
    if not line:
        return f'{len(changed)} digests change ({named}): say why with --results-change "LINE"'
    newest = (results_changes(changelog) or [""])[0]
    if " ".join(line.split()) not in newest:
        return f"the newest 'Results change' of CHANGELOG.md does not say: {line}"
    return ""


def main():
    """Compare, and write if asked and allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results-change", default="", metavar="LINE")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    old = golden.shipped_goldens() if FILE.is_file() else {}
    new = {}
    for case in wanted():
        new[case] = golden.digests_of(*case)
        parts = [k for k in golden.Digests._fields if getattr(old.get(case), k, "") != getattr(new[case], k)]
        if parts:
            print("/".join(case), "new" if case not in old else f"differs in {', '.join(parts)}")
    for case in sorted(old.keys() - new.keys()):
        print("/".join(case), "is gone")
    comparable = golden.comparable_goldens() if old else {}
    why_not = refusal(comparable, new, given.results_change, (ROOT / "CHANGELOG.md").read_text("utf-8"))
    if why_not:
        sys.exit(why_not)
    if given.write:
        nested = {}
        for (scenario, policy), digests in sorted(new.items()):
            nested.setdefault(scenario, {})[policy] = digests._asdict()
        before = json.loads(FILE.read_text("utf-8")) if FILE.is_file() else {}
        line = given.results_change or before.get("results_change", "")
        content = {"results_change": line, "made_with": golden.made_with(), "digests": nested}
        FILE.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
