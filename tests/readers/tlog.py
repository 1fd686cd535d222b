"""tlog.py FILE ROWS: rows of PostgreSQL against what pymavlink reads in a MAVLink recording."""

import math
import os
import sys

os.environ["MAVLINK20"] = "1"

from pymavlink import mavutil  # noqa: E402

import rows as stored  # noqa: E402

MODES = {
    "STABILIZE": 13, "ACRO": 12, "ALT_HOLD": 10, "AUTO": 4, "GUIDED": 7, "CIRCLE": 14,
    "POSHOLD": 11, "MANUAL": 9,
}  # fmt: skip


# Extensions that are younger than pymavlink's definitions, and than the autopilot that flew: what a
# frame ends before is zero.
YOUNGER = {
    "MISSION_CURRENT": ["mission_id", "fence_id", "rally_points_id"],
    "TIMESYNC": ["target_system", "target_component"],
}  # fmt: skip


def unless(unknown, value, factor=1.0):
    return None if value == unknown else value / factor


def rules(kind, m):
    """Columns that a message fills: value, field that it is from, whether by a long formula."""
    def of(value, field=None, near=False):
        return (value, field, near)

    if kind == "HEARTBEAT":
        if m["autopilot"] == 8:
            return {}
        name = mavutil.mode_mapping_sub.get(m["custom_mode"])
        return {
            "armed": of(bool(m["base_mode"] & 128)),
            "flight_mode": of(MODES.get(name, 15)),
            "flight_mode_raw": of(m["custom_mode"], "custom_mode"),
            "dialect": of({3: 2, 12: 1}.get(m["autopilot"], 4)),
            "system_status": of(m["system_status"] or None, "system_status"),
        }
    if kind == "ATTITUDE":
        names = ["roll", "pitch", "yaw"]
        angles = {f"{n}_deg": of(math.degrees(m[n]), n) for n in names}
        rates = {f"{n}_rate_deg_s": of(math.degrees(m[f"{n}speed"]), f"{n}speed") for n in names}
        return angles | rates
    if kind == "GLOBAL_POSITION_INT":
        found = {
            "north_m_s": of(m["vx"] / 100, "vx"),
            "east_m_s": of(m["vy"] / 100, "vy"),
            "down_m_s": of(m["vz"] / 100, "vz"),
            "heading_deg": of(unless(65535, m["hdg"], 100), "hdg"),
        }
        if (m["lat"], m["lon"]) != (0, 0):
            found |= {
                "latitude_deg": of(m["lat"] / 1e7, "lat"),
                "longitude_deg": of(m["lon"] / 1e7, "lon"),
                "absolute_altitude_m": of(m["alt"] / 1e3, "alt"),
                "relative_altitude_m": of(m["relative_alt"] / 1e3, "relative_alt"),
            }
        return found
    if kind == "GPS_RAW_INT":
        return {
            "gnss_id": of(0),
            "gnss_fix_type": of(m["fix_type"] + 1 if m["fix_type"] < 7 else None),
            "gnss_fix_type_raw": of(m["fix_type"], "fix_type"),
            "gnss_num_satellites": of(unless(255, m["satellites_visible"]), "satellites_visible"),
            "gnss_hdop": of(unless(65535, m["eph"], 100), "eph"),
            "gnss_vdop": of(unless(65535, m["epv"], 100), "epv"),
            "gnss_horizontal_uncertainty_m": of(unless(0, m["h_acc"], 1000), "h_acc"),
            "gnss_vertical_uncertainty_m": of(unless(0, m["v_acc"], 1000), "v_acc"),
            "gnss_velocity_uncertainty_m_s": of(unless(0, m["vel_acc"], 1000), "vel_acc"),
        }
    if kind == "SYS_STATUS":
        sensors = {
            f"health_sensors_{ours}": of(m[f"onboard_control_sensors_{theirs}"],
                                         f"onboard_control_sensors_{theirs}")
            for ours, theirs in [("present",) * 2, ("enabled",) * 2, ("healthy", "health")]
        }
        return sensors | {
            "health_cpu_load_percent": of(m["load"] / 10, "load"),
            "link_loss_percent": of(m["drop_rate_comm"] / 100, "drop_rate_comm"),
        }
    if kind == "BATTERY_STATUS":
        cells = [v for v in m["voltages"] if v != 65535] + [v for v in m["voltages_ext"] if v]
        return {
            "battery_id": of(m["id"], "id"),
            "battery_remaining_percent":
                of(unless(-1, m["battery_remaining"]), "battery_remaining"),
            "battery_voltage_v": of(sum(cells) / 1000 if cells else None, "voltages"),
            "battery_current_a": of(unless(-1, m["current_battery"], 100), "current_battery"),
            "battery_capacity_consumed_ah":
                of(unless(-1, m["current_consumed"], 1000), "current_consumed"),
            "battery_temperature_degc": of(unless(32767, m["temperature"], 100), "temperature"),
            "battery_time_remaining_s": of(unless(0, m["time_remaining"]), "time_remaining"),
        }
    if kind == "MISSION_CURRENT":
        state = m.get("mission_state", 0)
        found = {
            "mission_current": of(m["seq"], "seq"),
            "mission_state": of(state or None, "mission_state" if state else None),
        }
        if m.get("total") != 65535:
            found["mission_total"] = of(m.get("total") or None, "total")
        return found
    if kind == "STATUSTEXT":
        return {
            "text": of(m["text"], "text"),
            "text_severity": of(m["severity"], "severity"),
        }
    return {}


def main(file, rows):
    rows = stored.load(rows)
    by_seq = {(drone, row["seq"]): row for drone, all in rows.items() for row in all}
    suffixes = {drone.split("-", 1)[1]: drone for drone in rows}
    comparison, shift, index = stored.Comparison(), None, 0
    recording = mavutil.mavlink_connection(file, dialect="ardupilotmega")
    while (message := recording.recv_msg()) is not None:
        kind = message.get_type()
        if kind == "BAD_DATA":
            continue
        sender = f"{message.get_srcSystem()}-{message.get_srcComponent()}"
        row = by_seq.get((suffixes.get(sender), index))
        index += 1
        fields = message.to_dict()
        del fields["mavpackettype"]
        fields = {k: list(v) if isinstance(v, (list, tuple)) else v for k, v in fields.items()}
        types = dict(zip(message.fieldnames, message.fieldtypes))
        kinds = {name: {"float": "f", "double": "d"}.get(types[name]) for name in fields}
        fields |= {name: 0 for name in YOUNGER.get(kind, []) if name not in fields}
        ignored = set()
        if row is not None:
            since = fields.get("time_boot_ms")
            if row.get("since_boot_us") != (None if since is None else since * 1000):
                comparison.miss(kind, row, f"boot clock {row.get('since_boot_us')} of {since} ms")
            if since is not None:
                ignored.add("time_boot_ms")
            moved = row["ts_us"] - round(message._timestamp * 1e6)
            shift = moved if shift is None else shift
            if abs(moved - shift) > 1:
                comparison.miss(kind, row, f"time moved by {moved} us, the first by {shift}")
        if kind == "BATTERY_STATUS":
            # In the columns of the pack: their sum, and each if there are several.
            ignored |= {"voltages", "voltages_ext"}
            known = [v for v in fields["voltages"] if v != 65535]
            known += [v for v in fields["voltages_ext"] if v]
            cells = [v / 1000 for v in known] if len(known) > 1 else None
            if row is not None and (row.get("rest") or {}).get("battery_cells_v") != cells:
                comparison.miss(kind, row, f"the cells are not {cells}")
        comparison.check(kind, row, fields, kinds, rules(kind, fields), ignored)
    return comparison.end(sum(map(len, rows.values())))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
