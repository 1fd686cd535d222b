//! What operators wish, by small numbers.

use aerostream_domain::command::{Command, CommandId};
use aerostream_domain::{DroneId, ShardId};

pub fn commands(what: u8) -> Command {
    match what {
        0 => Command::Hold {},
        1 => Command::Return {},
        2 => Command::Land {},
        3 => Command::Arm { force: false },
        4 => Command::Disarm { force: false },
        5 => Command::Fence { enabled: true },
        6 => Command::Terminate {},
        _ => Command::Reboot {},
    }
}

pub fn id(key: u8) -> CommandId {
    let drone = DroneId::parse("alpha").expect("a legal id");
    CommandId::of(ShardId(0), "olga", &drone, &key.to_string())
}
