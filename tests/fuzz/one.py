"""One target under atheris: `FUZZ_TARGET=name python -m tests.fuzz.one [options of libFuzzer] DIRECTORY...`.

Called by the campaign. The name is in the environment, because libFuzzer starts its own program again to merge.
Whatever a target raises ends the run, and libFuzzer writes the input that did it.
"""

import gc
import os
import sys

import atheris


def main() -> None:
    """Instrument what the target watches as it is imported, and run until libFuzzer has had enough."""
    name = os.environ["FUZZ_TARGET"]
    with atheris.instrument_imports(include=["core"], enable_loader_override=False):
        from tests.fuzz import harness

        target = harness.load(name)
    gc.collect()
    gc.freeze()  # what is there now stays: a collection need not look at it again and again
    sys.argv[0] = f"{sys.executable} -m tests.fuzz.one"  # what libFuzzer has a shell start again
    atheris.Setup(sys.argv, lambda data: harness.tried(target, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
