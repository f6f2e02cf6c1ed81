"""`python -m tests.model [--remove RULE]`: the rules, and what goes wrong without one of them."""

import argparse
import sys

from tests.model.cases import MISSED, WIDER
from tests.model.rules import EVERY_RULE, Rule
from tests.model.search import search


def main() -> int:
    """Print the rules, or the trace of one removal."""
    names = {rule.name.lower(): rule for rule in Rule}
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--remove", choices=names, metavar="RULE", help="take this rule away and show the shortest trace")
    parser.add_argument("--search", action="store_true", help="search the wider worlds with all rules in place")
    given = parser.parse_args()
    if given.remove:
        rule = names[given.remove]
        print(f"without: {rule.value}")
        print(search(MISSED[rule].world._replace(rules=EVERY_RULE - {rule})))
    elif given.search:
        for name, world in WIDER.items():
            print(f"{name}: {search(world)}", flush=True)
    else:
        for name, rule in names.items():
            print(f"{name:24} {rule.value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
