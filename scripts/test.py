"""Check everything on a fresh machine: ``python3 scripts/test.py [arguments for pytest]``.

Where the environment variable CI is set, the long searches (marker ``campaign``) run too, in bounded form.
"""

import os
import subprocess
import sys
import time

import bootstrap


def steps(arguments: list[str]) -> dict[str, list[str]]:
    """Return what is checked, in order: a name for the summary, and the command."""
    searches = [] if os.environ.get("CI") else ["-m", "not campaign"]
    return {
        "ruff check": ["ruff", "check", "."],
        "ruff format": ["ruff", "format", "--check", "--quiet", "."],
        "mypy": ["mypy"],
        "pytest": ["pytest", "-q", "-n", "auto", *searches, *arguments],
    }


def main() -> int:
    """Run every step, also after one has failed; print a summary and return 1 if any failed."""
    python = bootstrap.python("test")
    summary = []
    for name, command in steps(sys.argv[1:]).items():
        print(f"\n=== {name}", flush=True)
        started = time.monotonic()
        code = subprocess.run([python, "-m", *command], cwd=bootstrap.CHECKOUT, check=False).returncode
        summary.append((name, code, time.monotonic() - started))

    print("\n=== summary")
    for name, code, seconds in summary:
        print(f"{'passed' if code == 0 else 'FAILED':8}{name:14}{seconds:7.1f} s")
    return int(any(code for _, code, _ in summary))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
