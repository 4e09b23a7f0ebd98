"""The command line: parse, call, print, exit."""


def main(argv: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    raise NotImplementedError
