#!/usr/bin/env python3
"""A sensor: it prints a temperature a line, which is all that a source of values has to do.

    grapevine share --watch './examples/thermometer.py --every 5' --name temp
    grapevine watch PEER/temp

It reads the processor's sensor where Linux has one, and makes up a mild day where there is none.
"""

import argparse
import math
import time
from pathlib import Path

SENSOR = Path("/sys/class/thermal/thermal_zone0/temp")  # thousandths of a degree Celsius


def temperature() -> float:
    """Return degrees Celsius."""
    try:
        return int(SENSOR.read_text()) / 1000
    except (OSError, ValueError):
        return round(15 + 5 * math.sin(time.time() / 3600), 1)


parser = argparse.ArgumentParser()
parser.add_argument("--every", type=float, default=5.0, metavar="SECONDS")
pause = parser.parse_args().every
while True:
    print(temperature(), flush=True)
    time.sleep(pause)
