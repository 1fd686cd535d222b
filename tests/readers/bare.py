"""bare.py FILE: how many messages an independent reader reads in a recording, and in what time."""

import os
import sys
import time

os.environ["MAVLINK20"] = "1"

from pymavlink import mavutil  # noqa: E402
from pyulog import ULog  # noqa: E402


def tlog(file):
    recording, count = mavutil.mavlink_connection(file, dialect="ardupilotmega"), 0
    while (message := recording.recv_msg()) is not None:
        count += message.get_type() != "BAD_DATA"
    return count


def ulog(file):
    log = ULog(file)
    return sum(len(data.data["timestamp"]) for data in log.data_list)


if __name__ == "__main__":
    begun = time.monotonic()
    messages = (tlog if sys.argv[1].endswith(".tlog") else ulog)(sys.argv[1])
    print(messages, time.monotonic() - begun)
