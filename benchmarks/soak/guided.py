"""`python -m benchmarks.soak.guided TARGET CORPUS …`: one parser under atheris, whose own options follow.

What belongs here: handing atheris' inputs to a parser. What does not: parsers (`parsers.py`). atheris is no dependency of the project.
"""

import sys


def main(name: str, options: list[str]) -> None:
    """Until atheris ends: with code 0 when its time is over, with another where the law was broken."""
    import atheris  # not in the lock: it has no wheels for every Python

    with atheris.instrument_imports(include=["aios_core", "resources"]):
        from benchmarks.soak import parsers
    target = parsers.targets()[name]
    atheris.Setup([sys.argv[0], *options], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
