"""Runs the attacks, or those that are named: `run.py [--long] [NAME…]`. The last line is the sum."""

import sys
import time
import traceback

from cases import CASES as HOLD_CASES
from front_cases import FRONT_CASES

CASES = [*HOLD_CASES, *FRONT_CASES]


def main(arguments: list[str]) -> int:
    long = "--long" in arguments
    names = [name for name in arguments if not name.startswith("-")]
    unknown = set(names) - {case.__name__ for case in CASES}
    if unknown:
        print(f"attacks: there is no {', '.join(sorted(unknown))}", file=sys.stderr)
        return 64
    passed = failed = 0
    for case in CASES:
        if names and case.__name__ not in names:
            continue
        began = time.time()
        try:
            line, word = case(6 if long else 1), "ok    "
            passed += 1
        except AssertionError as error:
            # Where it is says what it means, when it says nothing itself.
            where = traceback.extract_tb(error.__traceback__)[-1]
            line, word = f"{error or where.line}", "FAILED"
            failed += 1
        except Exception:  # noqa: BLE001: one case that breaks hides no other
            traceback.print_exc()
            line, word = "it broke off", "FAILED"
            failed += 1
        print(f"{word}  {case.__name__} ({time.time() - began:.0f} s): {line}", flush=True)
    print(f"attacks: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
