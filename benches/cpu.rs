//! Processor time of processes, from /proc.

use std::collections::HashMap;

/// Ticks of /proc per second on Linux, whatever the kernel's own timer.
const TICKS_PER_SECOND: f64 = 100.0;

/// All processes at one moment.
pub struct Processes {
    by_id: HashMap<u32, Process>,
}

struct Process {
    name: String,
    parent: u32,
    own: f64,
    of_ended_children: f64,
}

impl Processes {
    /// Looks at all processes.
    pub fn now() -> anyhow::Result<Self> {
        let entries = std::fs::read_dir("/proc")?;
        let ids = entries
            .flatten()
            .filter_map(|it| it.file_name().to_str()?.parse().ok());
        let by_id = ids
            .filter_map(|id| Some((id, Process::read(id)?)))
            .collect();
        Ok(Self { by_id })
    }

    /// Our own child of this name.
    pub fn child(&self, name: &str) -> Option<u32> {
        let me = std::process::id();
        let child = self
            .by_id
            .iter()
            .find(|(_, it)| it.parent == me && it.name == name);
        child.map(|(id, _)| *id)
    }

    /// Seconds that a process has used by itself.
    pub fn own(&self, id: u32) -> f64 {
        self.by_id.get(&id).map_or(0.0, |process| process.own)
    }

    /// Seconds that a process and all its descendants have used, ended ones included.
    pub fn tree(&self, id: u32) -> f64 {
        let Some(process) = self.by_id.get(&id) else {
            return 0.0;
        };
        let children = self.by_id.iter().filter(|(_, it)| it.parent == id);
        let living: f64 = children.map(|(child, _)| self.tree(*child)).sum();
        process.own + process.of_ended_children + living
    }
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name is in parentheses and may hold anything, even parentheses.
        let (before, after) = stat.rsplit_once(") ")?;
        let (_, name) = before.split_once(" (")?;
        let fields: Vec<&str> = after.split(' ').collect();
        let seconds = |place: usize| -> Option<f64> {
            Some(fields.get(place)?.parse::<f64>().ok()? / TICKS_PER_SECOND)
        };
        Some(Self {
            name: name.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            own: seconds(11)? + seconds(12)?,
            of_ended_children: seconds(13)? + seconds(14)?,
        })
    }
}
