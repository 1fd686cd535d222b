//! Reads rows back from Postgres' binary formats.

use aerostream_domain::sample::{
    Attitude, Battery, Content, Gnss, Health, Home, Link, Mission, Position, State, Text, Velocity,
    Wind,
};
use aerostream_domain::{BootId, BootMicros, RecordedSample, Seq};

use super::codes::Code;
use super::columns::{COLUMNS, IDENTITY};
use super::{encode, rest};

/// The fields of one row, in the order of the columns that were asked for.
pub struct Fields<'a> {
    rest: &'a [u8],
    column: usize,
}

/// A decoded row.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    pub boot: BootId,
    pub sample: RecordedSample,
}

impl<'a> Fields<'a> {
    /// Fields laid out as in a row of binary COPY: for each its length and its bytes.
    pub fn of_copy(fields: &'a [u8]) -> Self {
        Self {
            rest: fields,
            column: 0,
        }
    }

    /// The next field's bytes; `None` for null.
    pub fn raw(&mut self) -> Result<Option<&'a [u8]>, String> {
        self.column += 1;
        let (length, rest) = self
            .rest
            .split_first_chunk::<4>()
            .ok_or_else(|| self.wrong("it is missing"))?;
        self.rest = rest;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            return Ok(None);
        };
        let (field, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| self.wrong("it is cut short"))?;
        self.rest = rest;
        Ok(Some(field))
    }

    fn wrong(&self, what: &str) -> String {
        let name = COLUMNS.get(self.column.saturating_sub(1)).copied();
        format!("field {} ({}): {what}", self.column, name.unwrap_or("?"))
    }

    fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, String> {
        let field = self.raw()?;
        field
            .map(|bytes| {
                bytes
                    .try_into()
                    .map_err(|_| self.wrong("it has a wrong length"))
            })
            .transpose()
    }

    fn int2(&mut self) -> Result<Option<i16>, String> {
        Ok(self.array()?.map(i16::from_be_bytes))
    }

    pub fn int8(&mut self) -> Result<Option<i64>, String> {
        Ok(self.array()?.map(i64::from_be_bytes))
    }

    fn small<T: TryFrom<i16>>(&mut self) -> Result<Option<T>, String> {
        let value = self.int2()?;
        value
            .map(|value| T::try_from(value).map_err(|_| self.wrong("it is out of range")))
            .transpose()
    }

    fn u32(&mut self) -> Result<Option<u32>, String> {
        let value = self.int8()?;
        value
            .map(|value| u32::try_from(value).map_err(|_| self.wrong("it is out of range")))
            .transpose()
    }

    fn code<T: Code>(&mut self) -> Result<Option<T>, String> {
        let code = self.int2()?;
        code.map(|code| T::from_code(code).ok_or_else(|| self.wrong("its code is unknown")))
            .transpose()
    }

    fn float4(&mut self) -> Result<Option<f32>, String> {
        Ok(self.array()?.map(f32::from_be_bytes))
    }

    fn float8(&mut self) -> Result<Option<f64>, String> {
        Ok(self.array()?.map(f64::from_be_bytes))
    }

    pub fn text(&mut self) -> Result<Option<&'a str>, String> {
        let field = self.raw()?;
        field
            .map(|bytes| std::str::from_utf8(bytes).map_err(|_| self.wrong("it is not UTF-8")))
            .transpose()
    }

    fn required<T>(&self, value: Option<T>) -> Result<T, String> {
        value.ok_or_else(|| self.wrong("it is null"))
    }
}

/// A row of [`COLUMNS`] without the drone's number: identity and clocks, then content.
pub fn row(fields: &mut Fields<'_>) -> Result<Decoded, String> {
    // The drone's number is not asked for.
    fields.column = 1;
    let time = fields.int8()?;
    let time = encode::utc(fields.required(time)?);
    let boot = fields.int8()?;
    let boot = BootId(fields.required(boot)? as u64);
    let seq = fields.int8()?;
    let seq = Seq(fields.required(seq)? as u64);
    let basis = fields.code()?;
    let basis = fields.required(basis)?;
    let since_boot = fields.int8()?.map(|boot| BootMicros(boot as u64));
    debug_assert_eq!(fields.column, IDENTITY);
    Ok(Decoded {
        boot,
        sample: RecordedSample {
            seq,
            time,
            basis,
            since_boot,
            content: content(fields)?,
        },
    })
}

fn content(fields: &mut Fields<'_>) -> Result<Content, String> {
    let mut content = Content {
        kind: fields.text()?.map(rest::unescape).unwrap_or_default(),
        position: unless_silent(position(fields)?),
        velocity: unless_silent(velocity(fields)?),
        attitude: unless_silent(attitude(fields)?),
        gnss: gnss(fields)?.into_iter().collect(),
        battery: battery(fields)?.into_iter().collect(),
        link: unless_silent(link(fields)?),
        home: unless_silent(home(fields)?),
        mission: unless_silent(mission(fields)?),
        health: unless_silent(health(fields)?),
        wind: unless_silent(wind(fields)?),
        state: unless_silent(state(fields)?),
        ..Content::default()
    };
    let severity = fields.small()?;
    content.text = fields.text()?.map(|text| Text {
        severity,
        text: rest::unescape(text),
    });
    if let Some(json) = fields.raw()? {
        let json = json.strip_prefix(&[1]).unwrap_or(json);
        let value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        rest::add(&mut content, &value)?;
    }
    content.raw = fields.raw()?.map(<[u8]>::to_vec);
    Ok(content)
}

/// A group of nulls is an absent group, unless `rest` says otherwise.
fn unless_silent<T: Default + PartialEq>(group: T) -> Option<T> {
    (group != T::default()).then_some(group)
}

fn position(fields: &mut Fields<'_>) -> Result<Position, String> {
    Ok(Position {
        latitude_deg: fields.float8()?,
        longitude_deg: fields.float8()?,
        absolute_altitude_m: fields.float8()?,
        ellipsoid_altitude_m: fields.float8()?,
        relative_altitude_m: fields.float8()?,
        terrain_altitude_m: fields.float8()?,
    })
}

fn velocity(fields: &mut Fields<'_>) -> Result<Velocity, String> {
    Ok(Velocity {
        north_m_s: fields.float4()?,
        east_m_s: fields.float4()?,
        down_m_s: fields.float4()?,
        ground_speed_m_s: fields.float4()?,
        air_speed_m_s: fields.float4()?,
        heading_deg: fields.float4()?,
        course_deg: fields.float4()?,
    })
}

fn attitude(fields: &mut Fields<'_>) -> Result<Attitude, String> {
    Ok(Attitude {
        roll_deg: fields.float4()?,
        pitch_deg: fields.float4()?,
        yaw_deg: fields.float4()?,
        roll_rate_deg_s: fields.float4()?,
        pitch_rate_deg_s: fields.float4()?,
        yaw_rate_deg_s: fields.float4()?,
    })
}

fn gnss(fields: &mut Fields<'_>) -> Result<Option<Gnss>, String> {
    let id = fields.small()?;
    let gnss = Gnss {
        id: id.unwrap_or_default(),
        fix_type: fields.code()?,
        fix_type_raw: fields.u32()?,
        num_satellites: fields.small()?,
        hdop: fields.float4()?,
        vdop: fields.float4()?,
        horizontal_uncertainty_m: fields.float4()?,
        vertical_uncertainty_m: fields.float4()?,
        velocity_uncertainty_m_s: fields.float4()?,
    };
    Ok(id.map(|_| gnss))
}

fn battery(fields: &mut Fields<'_>) -> Result<Option<Battery>, String> {
    let id = fields.small()?;
    let battery = Battery {
        id: id.unwrap_or_default(),
        remaining_percent: fields.float4()?,
        voltage_v: fields.float4()?,
        current_battery_a: fields.float4()?,
        capacity_consumed_ah: fields.float4()?,
        temperature_degc: fields.float4()?,
        time_remaining_s: fields.float4()?,
        cells_v: Vec::new(),
    };
    Ok(id.map(|_| battery))
}

fn link(fields: &mut Fields<'_>) -> Result<Link, String> {
    Ok(Link {
        rssi_dbm: fields.float4()?,
        remote_rssi_dbm: fields.float4()?,
        noise_dbm: fields.float4()?,
        loss_percent: fields.float4()?,
        latency_ms: fields.float4()?,
    })
}

fn home(fields: &mut Fields<'_>) -> Result<Home, String> {
    Ok(Home {
        latitude_deg: fields.float8()?,
        longitude_deg: fields.float8()?,
        absolute_altitude_m: fields.float8()?,
        distance_m: fields.float4()?,
    })
}

fn mission(fields: &mut Fields<'_>) -> Result<Mission, String> {
    Ok(Mission {
        current: fields.u32()?,
        total: fields.u32()?,
        state: fields.code()?,
        distance_to_item_m: fields.float4()?,
    })
}

fn health(fields: &mut Fields<'_>) -> Result<Health, String> {
    Ok(Health {
        sensors_present: fields.u32()?,
        sensors_enabled: fields.u32()?,
        sensors_healthy: fields.u32()?,
        cpu_load_percent: fields.float4()?,
        vibration_m_s2: fields.float4()?,
        estimator_flags: fields.u32()?,
    })
}

fn wind(fields: &mut Fields<'_>) -> Result<Wind, String> {
    Ok(Wind {
        speed_m_s: fields.float4()?,
        direction_from_deg: fields.float4()?,
        vertical_m_s: fields.float4()?,
    })
}

fn state(fields: &mut Fields<'_>) -> Result<State, String> {
    let armed = fields.array::<1>()?.map(|[byte]| byte != 0);
    Ok(State {
        armed,
        flight_mode: fields.code()?,
        flight_mode_raw: fields.u32()?,
        dialect: fields.code()?,
        landed_state: fields.code()?,
        system_status: fields.code()?,
    })
}
