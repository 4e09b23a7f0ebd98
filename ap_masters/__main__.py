"""``python -m ap_masters``: the same program as ``ap-masters``."""

from ap_masters.cli import main

main()
