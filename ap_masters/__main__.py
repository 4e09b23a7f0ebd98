"""``python -m ap_masters``: the same program as ``ap-masters``."""

try:
    from ap_masters.cli import main

    main()
except KeyboardInterrupt:  # before there was anything to stop
    raise SystemExit(130) from None
