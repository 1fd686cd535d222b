//! The lessons, one for each subcommand.

use super::{Lesson, lesson};

/// Every lesson.
pub const LESSONS: &[Lesson] = &[
    lesson(
        "",
        "Watches and commands fleets of drones. Drones send telemetry to a gateway; every drone is \
         an actor that holds its live state; what was acknowledged is kept exactly once in \
         PostgreSQL.",
        &[
            (
                "The whole system on this machine, with 500 simulated drones",
                "aerostream up",
            ),
            (
                "Every setting with its meaning and default",
                "aerostream config --reference",
            ),
            ("What one subcommand does", "aerostream simulate --help"),
        ],
    ),
    lesson(
        "up",
        "Runs everything in one process on this machine: doors, actors, event log, worker, a \
         private PostgreSQL and a simulated fleet. It prints the addresses of its doors and writes \
         tokens to try them with into the data directory. Ctrl-C drains and stops it; the next \
         start finds the data again.",
        &[
            ("500 drones, data in var/", "aerostream up"),
            (
                "A larger and faster fleet, samples per second of each drone",
                "aerostream up --drones 5000 --rate 10",
            ),
            (
                "No simulated drones, data elsewhere",
                "aerostream up --drones 0 --data-dir flights",
            ),
            (
                "The event log in Kafka",
                "aerostream up --log kafka --set log.kafka.bootstrap_servers=127.0.0.1:9092",
            ),
        ],
    ),
    lesson(
        "worker",
        "Follows the event log in Kafka and writes PostgreSQL. Any number may run: they share the \
         partitions, and one that dies is followed by another without a row lost or doubled.",
        &[
            (
                "With settings from a file",
                "aerostream worker --config aerostream.toml",
            ),
            (
                "Bringing the database to this build's shape first",
                "aerostream worker --migrate",
            ),
        ],
    ),
    lesson(
        "migrate",
        "Brings the database to the shape that this build needs and ends. Running it again changes \
         nothing.",
        &[
            (
                "A database named here",
                "aerostream migrate --set postgres.url=postgres://localhost/aerostream",
            ),
            (
                "The database of a file of settings",
                "aerostream migrate --config aerostream.toml",
            ),
        ],
    ),
    lesson(
        "simulate",
        "Flies simulated drones against a gateway through its public doors: flight physics, drones \
         that store and send again, and faults of the link. The manifest lists what was \
         acknowledged, for `aerostream verify`. The token is a relay's, from \
         --token-file, AEROSTREAM_TOKEN or AEROSTREAM_TOKEN_FILE.",
        &[
            (
                "A hundred drones on a bad link for 20 seconds, with a manifest",
                "aerostream simulate --drones 100 --rate 10 --prefix ext- --faults mild \
                 --duration 20 --manifest manifest",
            ),
            (
                "As JSON over REST",
                "aerostream simulate --transport rest --encoding json --duration 10",
            ),
            (
                "The same flights again",
                "aerostream simulate --seed 7 --duration 60 --quiet",
            ),
        ],
    ),
    lesson(
        "replay",
        "Flies a recorded flight again: a MAVLink recording (.tlog) or a log of PX4 (.ulg). Every \
         message becomes a sample of its kind, with times as if it were flown now, or its own with \
         --keep-time. Damage is told with its place and read past, and makes the exit status 1.",
        &[
            (
                "As it was flown, live in the feeds",
                "aerostream replay tests/flights/px4-sitl-events.ulg",
            ),
            (
                "Ten times as fast, under a name of your choice",
                "aerostream replay --speed 10 --drone sub tests/flights/ardusub-2024-04-22.tlog",
            ),
        ],
    ),
    lesson(
        "verify",
        "Proves from a manifest that every acknowledged sample is in PostgreSQL exactly once with \
         the content that was acknowledged. Ends with status 1 unless that is so.",
        &[
            (
                "Against the database of a running `aerostream up`",
                "aerostream verify manifest",
            ),
            (
                "Against a database named here",
                "aerostream verify manifest --postgres postgres://localhost/aerostream",
            ),
        ],
    ),
    lesson(
        "fleet",
        "Lists, creates and changes fleets through a gateway. A fleet groups drones; a token \
         reaches fleets. The caller's token comes from --token-file, \
         AEROSTREAM_TOKEN or AEROSTREAM_TOKEN_FILE.",
        &[
            (
                "Fleets that a token sees",
                "aerostream fleet --token-file var/tokens/viewer list",
            ),
            (
                "A new fleet",
                "aerostream fleet --token-file var/tokens/admin create alps",
            ),
        ],
    ),
    lesson(
        "fleet list",
        "Lists the fleets that the token reaches, one JSON object a line.",
        &[
            (
                "Of `aerostream up`",
                "aerostream fleet --token-file var/tokens/viewer list",
            ),
            (
                "Of another gateway",
                "aerostream fleet --url http://gateway:8080 --token-file token list",
            ),
        ],
    ),
    lesson(
        "fleet create",
        "Creates a fleet. In a closed one only enrolled drones may send; in an auto one any drone \
         may, up to its limit.",
        &[
            (
                "Closed, which is the default",
                "aerostream fleet --token-file var/tokens/admin create alps --name Alps",
            ),
            (
                "Open to newcomers, at most 50",
                "aerostream fleet --token-file var/tokens/admin create guests --enrolment auto \
                 --drones-max 50",
            ),
        ],
    ),
    lesson(
        "fleet change",
        "Changes what is named of a fleet and leaves the rest.",
        &[
            (
                "Closes it",
                "aerostream fleet --token-file var/tokens/admin change guests --enrolment closed",
            ),
            (
                "Makes room for 500 active drones",
                "aerostream fleet --token-file var/tokens/admin change alps --drones-max 500",
            ),
        ],
    ),
    lesson(
        "watch",
        "Shows the fleet as a table, one drone with every field, or alerts as they happen, live \
         in the terminal. \
         Elsewhere every change is a line: text for the fleet, for one drone the frames of its \
         feed as JSON. The feed goes on by itself where a connection broke, and tells what is \
         missing or not recorded. Ctrl-C ends it. The caller's token comes from --token-file, \
         AEROSTREAM_TOKEN or AEROSTREAM_TOKEN_FILE.",
        &[
            (
                "The emptiest batteries first",
                "aerostream watch --token-file var/tokens/viewer --sort battery",
            ),
            (
                "Alerts that are active, then each change, from errors on",
                "aerostream watch --token-file var/tokens/viewer --severity error alerts",
            ),
            (
                "One drone, drawn at most four times a second",
                "aerostream watch --token-file var/tokens/viewer --every 0.25 sim-00001",
            ),
        ],
    ),
    lesson(
        "command",
        "Gives a command to one drone, some or a fleet, and follows it to its end.",
        &[
            (
                "One drone to a place",
                "aerostream command --token-file var/tokens/operator --drone sim-00001 goto \
                 latitude_deg=48.14 longitude_deg=11.58 altitude_m=60",
            ),
            (
                "Everybody home",
                "aerostream command --token-file var/tokens/operator --fleet default return",
            ),
        ],
    ),
    lesson(
        "drone",
        "Lists, shows, enrols and retires drones through a gateway. The caller's token comes from \
         --token-file, AEROSTREAM_TOKEN or AEROSTREAM_TOKEN_FILE.",
        &[
            (
                "Drones that were heard",
                "aerostream drone --token-file var/tokens/viewer list",
            ),
            (
                "One of them, live",
                "aerostream drone --token-file var/tokens/viewer show sim-00001",
            ),
        ],
    ),
    lesson(
        "drone list",
        "Lists drones that were heard, or all that are enrolled in a fleet, one JSON object a \
         line.",
        &[
            (
                "Heard",
                "aerostream drone --token-file var/tokens/viewer list",
            ),
            (
                "Enrolled in a fleet, heard or not",
                "aerostream drone --token-file var/tokens/viewer list --fleet alps",
            ),
        ],
    ),
    lesson(
        "drone show",
        "Shows the live state of a drone from its actor: the newest value of each group with its \
         age. It needs no database.",
        &[
            (
                "A simulated drone",
                "aerostream drone --token-file var/tokens/viewer show sim-00001",
            ),
            (
                "Through another gateway",
                "aerostream drone --url http://gateway:8080 --token-file token show alpha",
            ),
        ],
    ),
    lesson(
        "drone enrol",
        "Enrols a drone in a fleet, so that it may send.",
        &[
            (
                "With its id only",
                "aerostream drone --token-file var/tokens/admin enrol alpha --fleet alps",
            ),
            (
                "With what people call it, and what it is",
                "aerostream drone --token-file var/tokens/admin enrol bravo --fleet alps \
                 --name 'Bravo One' --type multirotor",
            ),
        ],
    ),
    lesson(
        "drone retire",
        "Ends a drone's right to send. Its history stays, and its id is not given again.",
        &[
            (
                "A drone that is sold",
                "aerostream drone --token-file var/tokens/admin retire alpha",
            ),
            (
                "Through another gateway",
                "aerostream drone --url http://gateway:8080 --token-file token retire alpha",
            ),
        ],
    ),
    lesson(
        "token",
        "Issues, inspects and revokes tokens. A token says who holds it, the role and the fleets, \
         until when; gateways know it by its signature.",
        &[
            (
                "A viewer of one fleet for a week",
                "aerostream token issue --key var/signing-key.pem --role viewer --subject ann \
                 --fleet alps --days 7",
            ),
            (
                "What a token says",
                "aerostream token inspect var/tokens/viewer",
            ),
        ],
    ),
    lesson(
        "token issue",
        "Signs a new token with a key file and prints it.",
        &[
            (
                "For a drone, which may write only itself",
                "aerostream token issue --key var/signing-key.pem --role drone --drone alpha",
            ),
            (
                "For an administrator of every fleet, for a day",
                "aerostream token issue --key var/signing-key.pem --role admin --subject ann \
                 --fleet '*' --days 1",
            ),
        ],
    ),
    lesson(
        "token inspect",
        "Shows what a token says. Its signature is not checked: a gateway does that.",
        &[
            ("From a file", "aerostream token inspect var/tokens/relay"),
            ("From standard input", "aerostream token inspect"),
        ],
    ),
    lesson(
        "token revoke",
        "Ends a token before its expiry, at every gateway, open streams included. Needs a token \
         that reaches every fleet.",
        &[
            (
                "A token that got lost",
                "aerostream token revoke --token-file var/tokens/admin lost-token",
            ),
            (
                "With the reason that the registry keeps",
                "aerostream token revoke --token-file var/tokens/admin lost-token \
                 --reason 'laptop stolen'",
            ),
        ],
    ),
    lesson(
        "dlq",
        "Lists, shows and replays dead letters: what a gateway, an actor or a worker refused for \
         its content, with the reason. The caller's token is an administrator's, from \
         --token-file, AEROSTREAM_TOKEN or AEROSTREAM_TOKEN_FILE.",
        &[
            (
                "What was refused, newest first",
                "aerostream dlq --token-file var/tokens/admin list",
            ),
            (
                "Why, and what it was",
                "aerostream dlq --token-file var/tokens/admin show 2-17",
            ),
        ],
    ),
    lesson(
        "dlq list",
        "Lists dead letters, newest first, one JSON object a line.",
        &[
            (
                "Of one drone, refused for one reason",
                "aerostream dlq --token-file var/tokens/admin list --drone alpha \
                 --code out_of_range",
            ),
            (
                "Of one day",
                "aerostream dlq --token-file var/tokens/admin list --from 2026-05-01T00:00:00Z \
                 --to 2026-05-02T00:00:00Z",
            ),
        ],
    ),
    lesson(
        "dlq show",
        "Shows why something was refused, and what it was.",
        &[
            (
                "A letter of the list",
                "aerostream dlq --token-file var/tokens/admin show 2-17",
            ),
            (
                "Through another gateway",
                "aerostream dlq --url http://gateway:8080 --token-file token show 0-3",
            ),
        ],
    ),
    lesson(
        "dlq replay",
        "Sends what was refused again, to be judged as it is now, such as after its drone was \
         enrolled. The letters stay; sending them twice stores them once.",
        &[
            (
                "One letter",
                "aerostream dlq --token-file var/tokens/admin replay 2-17",
            ),
            (
                "Several",
                "aerostream dlq --token-file var/tokens/admin replay 2-17 2-18 0-3",
            ),
        ],
    ),
    lesson(
        "config",
        "Prints the settings in effect and where each one comes from: defaults, file, \
         environment, command line. Secrets are not shown.",
        &[
            (
                "What a start would use",
                "aerostream config --config aerostream.toml",
            ),
            (
                "Every setting with its meaning and default",
                "aerostream config --reference",
            ),
        ],
    ),
    lesson(
        "completions",
        "Prints a script that lets a shell complete these command lines.",
        &[
            (
                "For bash: source it from ~/.bashrc",
                "aerostream completions bash",
            ),
            (
                "For zsh: save it as _aerostream in $fpath",
                "aerostream completions zsh",
            ),
            (
                "For fish: save it in its completions folder",
                "aerostream completions fish",
            ),
        ],
    ),
];
