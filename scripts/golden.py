#!/usr/bin/env python3
"""Renew the reviewed PixInsight scripts in tests/data/scripts; look at `git diff` before you commit them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.engines.pixinsight.golden import GOLDEN, golden_text


def main() -> None:
    """Write every script anew and say which of them changed."""
    for name, path in GOLDEN.items():
        text = golden_text(name)
        changed = not path.exists() or path.read_text(encoding="ascii") != text
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii", newline="\n")
        print(f"{'renewed' if changed else 'unchanged'}  {path.relative_to(Path(__file__).resolve().parent.parent)}")


if __name__ == "__main__":
    main()
