"""ulog.py FILE ROWS: holds rows of PostgreSQL against what pyulog reads in a log of PX4."""

import collections
import json
import math
import sys

from pyulog import ULog

import rows as stored

MODES = {0: 9, 1: 10, 2: 11, 3: 4, 4: 3, 5: 5, 10: 12, 14: 7, 15: 13, 17: 2, 18: 6, 19: 8, 20: 6,
         21: 14}  # fmt: skip


def known(value):
    return None if math.isnan(value) else value


def rules(kind, instance, m):
    """Columns that a message fills: value, field that it is from, whether by a long formula."""
    def of(value, field=None, near=False):
        return (value, field, near)

    if kind == "vehicle_global_position":
        return {
            "latitude_deg": of(m["lat"], "lat"),
            "longitude_deg": of(m["lon"], "lon"),
            "absolute_altitude_m": of(known(m["alt"]), "alt"),
            "ellipsoid_altitude_m": of(known(m["alt_ellipsoid"]), "alt_ellipsoid"),
        }
    if kind == "vehicle_local_position":
        heading = math.degrees(m["heading"])
        heading = of(heading if heading >= 0 else heading + 360, "heading", True)
        found = {"heading_deg": heading}
        if m["v_xy_valid"]:
            found |= {"north_m_s": of(m["vx"], "vx"), "east_m_s": of(m["vy"], "vy")}
        if m["v_z_valid"]:
            found |= {"down_m_s": of(m["vz"], "vz")}
        return found
    if kind == "vehicle_attitude":
        w, x, y, z = (m[f"q[{i}]"] for i in range(4))
        roll = math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y))
        pitch = math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x))))
        yaw = math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
        angles = zip(["roll_deg", "pitch_deg", "yaw_deg"], [roll, pitch, yaw])
        return {name: of(math.degrees(angle), None, True) for name, angle in angles}
    if kind in ("vehicle_gps_position", "sensor_gps"):
        return {
            "gnss_id": of(instance),
            "gnss_fix_type": of(m["fix_type"] + 1 if m["fix_type"] < 7 else None),
            "gnss_fix_type_raw": of(m["fix_type"], "fix_type"),
            "gnss_num_satellites": of(m["satellites_used"], "satellites_used"),
            "gnss_hdop": of(known(m["hdop"]), "hdop"),
            "gnss_vdop": of(known(m["vdop"]), "vdop"),
            "gnss_horizontal_uncertainty_m": of(known(m["eph"]), "eph"),
            "gnss_vertical_uncertainty_m": of(known(m["epv"]), "epv"),
            "gnss_velocity_uncertainty_m_s": of(known(m["s_variance_m_s"]), "s_variance_m_s"),
        }
    if kind == "battery_status":
        def unless(value):
            return None if value == -1 or math.isnan(value) else value

        remaining, discharged = unless(m["remaining"]), unless(m["discharged_mah"])

        return {
            "battery_id": of(m["id"], "id"),
            "battery_remaining_percent": of(remaining and remaining * 100, "remaining"),
            "battery_voltage_v": of(known(m["voltage_v"]), "voltage_v"),
            "battery_current_a": of(unless(m["current_a"]), "current_a"),
            "battery_capacity_consumed_ah": of(discharged and discharged / 1000, "discharged_mah"),
            "battery_temperature_degc": of(known(m["temperature"]), "temperature"),
            "battery_time_remaining_s": of(known(m["time_remaining_s"]), "time_remaining_s"),
        }
    if kind == "vehicle_status":
        return {
            "armed": of(m["arming_state"] == 2),
            "flight_mode": of(MODES.get(m["nav_state"], 15)),
            "flight_mode_raw": of(m["nav_state"], "nav_state"),
            "dialect": of(1),
        }
    if kind == "home_position" and m.get("valid_hpos"):
        found = {
            "home_latitude_deg": of(m["lat"], "lat"),
            "home_longitude_deg": of(m["lon"], "lon"),
        }
        if m.get("valid_alt"):
            found["home_absolute_altitude_m"] = of(m["alt"], "alt")
        return found
    if kind == "mission_result":
        return {
            "mission_current": of(m["seq_current"], "seq_current"),
            "mission_total": of(m["seq_total"], "seq_total"),
        }
    if kind == "cpuload":
        return {"health_cpu_load_percent": of(m["load"] * 100, "load")}
    return {}


def flat(row):
    """A row whose lists are values of their own, as pyulog has them."""
    found = {}
    for name, value in stored.extras(row).items():
        if isinstance(value, str) and value.startswith("["):
            value = json.loads(value)
        if isinstance(value, list):
            found |= {f"{name}[{at}]": one for at, one in enumerate(value)}
        else:
            found[name] = value
    rest = {"extras": {k: v for k, v in found.items() if v is not None}}
    return row | {"rest": rest}


def topics(log, rows, comparison):
    shift = None
    for data in log.data_list:
        types = {field.field_name: field.type_str for field in data.field_data}
        kinds = {name: {"float": "f", "double": "d"}.get(kind) for name, kind in types.items()}
        columns = {name: values.tolist() for name, values in data.data.items()}
        found = rows.pop((data.name, data.multi_id), [])
        for at, stamp in enumerate(columns["timestamp"]):
            # What only fills the gaps of a structure says nothing.
            names = [name for name in columns if not name.split(".")[-1].startswith("_padding")]
            fields = {name: columns[name][at] for name in names}
            texts = [name[:-3] for name in names if name.endswith("[0]") and types[name] == "char"]
            for name in texts:
                parts = [part for part in names if part.startswith(f"{name}[")]
                text = bytes(fields.pop(part) & 0xFF for part in parts)
                fields[name] = text.split(b"\0")[0].decode()
            if data.multi_id:
                fields["multi_id"] = data.multi_id
            row = flat(found[at]) if at < len(found) else None
            of_kind = rules(data.name, data.multi_id, fields)
            comparison.check(data.name, row, fields, kinds, of_kind)
            if row is not None:
                moved = row["ts_us"] - stamp
                shift = moved if shift is None else shift
                # What was logged before it was ever set has no clock, and stands where it was read.
                if moved != shift and stamp != 0:
                    comparison.miss(data.name, row, f"time moved by {moved} us, not by {shift}")


def others(log, rows, comparison):
    """What belongs to no topic: texts, parameters, notes."""
    def texts():
        for one in log.logged_messages:
            fields = {"timestamp": one.timestamp}
            severity = one.log_level - 0x30
            yield fields, {"text": (one.message, "text", False),
                           "text_severity": (severity, "level", False)}

    def named(pairs):
        for name, value in pairs:
            yield {"name": name, "value": value}, {}

    parameters = [*log.initial_parameters.items(), *((n, v) for _, n, v in log.changed_parameters)]
    expected = {
        "logged_message": list(texts()),
        "parameter": list(named(parameters)),
        "dropout": [({"duration_ms": one.duration}, {}) for one in log.dropouts],
    }
    for kind, messages in expected.items():
        found = rows.pop((kind, 0), [])
        for at, (fields, of_kind) in enumerate(messages):
            row = found[at] if at < len(found) else None
            comparison.check(kind, row, fields, {"value": "f"}, of_kind)
    notes = {stored.extras(row)["name"]: stored.extras(row)["value"]
             for row in rows.get(("info", 0), [])}
    told = {name: str(value) for name, value in log.msg_info_dict.items()}
    if {name: str(value) for name, value in notes.items()} != told:
        comparison.wrong.append(f"info is {notes}, the log says {log.msg_info_dict}")
    for kind, count in [("info", len(told)), ("info_multiple", sum(map(len, many_parts(log))))]:
        found = rows.pop((kind, 0), [])
        comparison.messages[kind] += count
        comparison.stored[kind] += len(found)
        if len(found) != count:
            comparison.wrong.append(f"{len(found)} rows of {kind}, the log has {count}")
    defaults(log, rows.pop(("parameter_default", 0), []), comparison)


def many_parts(log):
    return [part for parts in log.msg_info_multiple_dict.values() for part in parts]


def defaults(log, found, comparison):
    kind, told = "parameter_default", collections.Counter()
    for bit in range(2):
        told.update((bit, name, stored.narrow(value))
                    for name, value in log.get_default_parameters(bit).items())
    seen = collections.Counter()
    for row in found:
        said = stored.extras(row)
        for bit in range(2):
            if said["default_types"] >> bit & 1:
                seen[(bit, said["name"], stored.narrow(said["value"]))] += 1
        comparison.messages[kind] += 1
        comparison.stored[kind] += 1
        comparison.values[kind] += 1
    if seen != told:
        comparison.wrong.append(f"{kind}: {list((seen - told) + (told - seen))[:5]}")


def main(file, rows):
    log, comparison = ULog(file), stored.Comparison()
    by_kind, count = collections.defaultdict(list), 0
    for of_drone in stored.load(rows).values():
        for row in of_drone:
            by_kind[(row.get("kind"), stored.extras(row).get("multi_id", 0))].append(row)
            count += 1
    topics(log, by_kind, comparison)
    others(log, by_kind, comparison)
    for (kind, instance), left in by_kind.items():
        comparison.wrong.append(f"{len(left)} rows of {kind} {instance} that the log lacks")
    return comparison.end(count)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
