"""Build a synthetic night on a fresh machine: ``python3 scripts/demo.py [DIR]``."""

import subprocess
import sys
from pathlib import Path

import bootstrap


def main() -> int:
    """Install what is needed and run ``ap-masters demo`` with the arguments given."""
    command: list[str | Path] = [bootstrap.python(), "-m", "ap_masters", "demo", *sys.argv[1:]]
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
