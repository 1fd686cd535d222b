"""Rows of PostgreSQL as a test wrote them down, and values held against them.

A row is right if every field of its message is in a column, in the extras, or says "unknown"; and
if no column and no extra says what the message does not.
"""

import collections
import json
import math
import struct


def load(path):
    """Rows by drone, in the order of their seq."""
    rows = collections.defaultdict(list)
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            rows[row.pop("drone")].append(row)
    for of_drone in rows.values():
        of_drone.sort(key=lambda row: row["seq"])
    return rows


def narrow(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def plain(value):
    if isinstance(value, dict) and "integer" in value:
        return value["integer"]
    if isinstance(value, dict) and "bits" in value:
        return struct.unpack(">d", bytes.fromhex(value["bits"]))[0]
    return value


def extras(row):
    """Extras by field name, put together again from their parts."""
    said = (row.get("rest") or {}).get("extras") or {}
    pairs = said.items() if isinstance(said, dict) else said
    whole, parts = {}, collections.defaultdict(list)
    for name, value in pairs:
        value = plain(value)
        inner = json.loads(value).items() if name.startswith("+") else [(name, value)]
        for name, value in inner:
            stem, at, begin = name.rpartition("@")
            if at and begin.isdigit():
                parts[stem].append((int(begin), value))
            else:
                whole[name] = value
    for name, found in parts.items():
        found = [value for _, value in sorted(found)]
        if all(isinstance(v, str) and not v.startswith("[") for v in found):
            whole[name] = "".join(found)
        else:
            lists = [json.loads(v) if isinstance(v, str) else v for v in found]
            whole[name] = [value for one in lists for value in one]
    return whole


def same(value, found, kind):
    """Whether an extra is a value of a field; `kind` is f for float, d for double, else other."""
    if isinstance(value, (list, tuple)):
        if isinstance(found, str):
            found = json.loads(found)
        return len(value) == len(found) and all(
            one == other or same(one, other, kind) for one, other in zip(value, found)
        )
    if isinstance(value, float) and not math.isfinite(value):
        return found is None if math.isnan(value) else str(found) == str(value)
    if isinstance(found, str) and not isinstance(value, str):
        return found == str(value)
    if kind == "f" and isinstance(found, (int, float)):
        return narrow(found) == narrow(value)
    return found == value


class Comparison:
    """Counts what is right by kind, and remembers what is wrong."""

    def __init__(self):
        self.messages = collections.Counter()
        self.stored = collections.Counter()
        self.values = collections.Counter()
        self.wrong = []

    def miss(self, kind, row, what):
        seq = "-" if row is None else row["seq"]
        self.wrong.append(f"{kind} seq {seq}: {what}")

    def check(self, kind, row, fields, kinds, rules, ignored=()):
        """One row against one message.

        `rules` says of each column how the message tells it: (value or None, field or None).
        """
        self.messages[kind] += 1
        if row is None:
            return self.miss(kind, row, "there is no row")
        if row.get("kind") != kind:
            return self.miss(kind, row, f"the row is a {row.get('kind')}")
        self.stored[kind] += 1
        told, left = set(), extras(row)
        columns = {k: v for k, v in row.items() if k not in NO_CONTENT}
        for column, (value, field, near) in rules.items():
            found = columns.pop(column, None)
            if value is None:
                # The field says "unknown".
                told.add(field)
                if found is not None:
                    self.miss(kind, row, f"{column} is {found}, the message does not tell it")
            elif found is not None:
                told.add(field)
                self.values[kind] += 1
                if not equal(value, found, near):
                    self.miss(kind, row, f"{column} is {found}, the message says {value}")
            elif field not in left:
                self.miss(kind, row, f"{column} is missing, the message says {value}")
        for column, value in columns.items():
            self.miss(kind, row, f"{column} is {value}, and no rule says why")
        for name, value in fields.items():
            if name in ignored:
                left.pop(name, None)
            elif name in left:
                self.values[kind] += 1
                found = left.pop(name)
                if not same(value, found, kinds.get(name)):
                    self.miss(kind, row, f"{name} is {found}, the message says {value}")
            elif name not in told and not (isinstance(value, float) and math.isnan(value)):
                if not (isinstance(value, (list, tuple)) and not value):
                    self.miss(kind, row, f"{name} is missing, the message says {value}")
        for name, value in left.items():
            self.miss(kind, row, f"{name} is {value}, the message does not have it")

    def end(self, rows):
        """Prints what came of it; the exit status."""
        print(f"{'kind':<40} {'messages':>9} {'rows':>9} {'values':>10}")
        for kind, count in sorted(self.messages.items()):
            print(f"{kind:<40} {count:>9} {self.stored[kind]:>9} {self.values[kind]:>10}")
        messages, stored = sum(self.messages.values()), sum(self.stored.values())
        values = sum(self.values.values())
        print(f"{'all':<40} {messages:>9} {stored:>9} {values:>10}")
        if rows != messages:
            self.wrong.append(f"{rows} rows of {messages} messages")
        for line in self.wrong[:20]:
            print(f"WRONG {line}")
        print(f"differences {len(self.wrong)}")
        return 1 if self.wrong or not messages else 0


# Columns that are no content.
NO_CONTENT = {"seq", "kind", "ts_us", "since_boot_us", "rest", "raw"}


def equal(value, found, near):
    if isinstance(value, (bool, str)):
        return value is found or value == found
    if near:
        return math.isclose(value, found, rel_tol=1e-5, abs_tol=1e-5)
    return value == found or narrow(value) == narrow(found)
