//! What lies where in a private server's directory, and who may read it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rand::RngCore;

use super::Error;
use super::process::Account;

/// How often a taken lock is tried, and the pause before the next time.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

/// Debian's versioned directories.
const DEBIAN_ROOT: &str = "/usr/lib/postgresql";
/// Bytes of the server's log that an error shows.
const LOG_TAIL_BYTES_MAX: usize = 2000;

/// Directory of `postgres` and `initdb`.
pub fn find_binaries(configured: Option<&Path>) -> Result<PathBuf, Error> {
    let has_server = |dir: &PathBuf| dir.join("postgres").is_file() && dir.join("initdb").is_file();
    if let Some(dir) = configured {
        let dir = dir.to_owned();
        return if has_server(&dir) {
            Ok(dir)
        } else {
            Err(Error::NoBinaries {
                looked_in: dir.display().to_string(),
            })
        };
    }
    let newest = fs::read_dir(DEBIAN_ROOT)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        })
        .filter(|(_, dir)| has_server(dir))
        .max();
    if let Some((_, dir)) = newest {
        return Ok(dir);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(has_server)
        .ok_or_else(|| Error::NoBinaries {
            looked_in: format!("{DEBIAN_ROOT}/*/bin and PATH"),
        })
}

/// The directory and the names in it.
#[derive(Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Makes the directory and checks that the account can reach it.
    pub fn prepare(data_dir: &Path, account: Account) -> Result<Self, Error> {
        let file_error = |doing| {
            move |source| Error::File {
                doing,
                path: data_dir.to_owned(),
                source,
            }
        };
        fs::create_dir_all(data_dir).map_err(file_error("make the directory"))?;
        let root = fs::canonicalize(data_dir).map_err(file_error("find the directory"))?;
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700))
            .map_err(file_error("close to others the directory"))?;
        let layout = Self { root };
        layout.give_to(&layout.root, account)?;
        if account.is_dropped() {
            for parent in layout.root.ancestors().skip(1) {
                let mode = fs::metadata(parent)
                    .map_err(file_error("look at the parents of"))?
                    .mode();
                if mode & 0o001 == 0 {
                    return Err(Error::Unreachable {
                        data_dir: layout.root.clone(),
                        closed: parent.to_owned(),
                    });
                }
            }
        }
        Ok(layout)
    }

    /// The database cluster.
    pub fn cluster(&self) -> PathBuf {
        self.root.join("cluster")
    }

    pub fn password_file(&self) -> PathBuf {
        self.root.join("password")
    }

    /// Place of a cluster in the making, empty.
    pub fn unfinished_cluster(&self) -> Result<PathBuf, Error> {
        let path = self.root.join("cluster.unfinished");
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|source| Error::File {
                doing: "remove the half-made cluster",
                path: path.clone(),
                source,
            })?;
        }
        Ok(path)
    }

    /// Takes the directory for this process.
    pub fn lock(&self) -> Result<File, Error> {
        let path = self.root.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| Error::File {
                doing: "open the lock",
                path: path.clone(),
                source,
            })?;
        let mut tries = 0;
        let locked = loop {
            tries += 1;
            match file.try_lock() {
                // A program that this process is just starting has the old lock until it runs.
                Err(fs::TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                    std::thread::sleep(LOCK_PAUSE);
                }
                locked => break locked,
            }
        };
        match locked {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(Error::InUse(self.root.clone())),
            Err(fs::TryLockError::Error(source)) => Err(Error::File {
                doing: "lock",
                path,
                source,
            }),
        }
    }

    /// The password, made on first use.
    pub fn password(&self, account: Account) -> Result<String, Error> {
        let path = self.password_file();
        let file_error = |doing| {
            let path = path.clone();
            move |source| Error::File {
                doing,
                path,
                source,
            }
        };
        if path.exists() && self.cluster().exists() {
            return fs::read_to_string(&path)
                .map(|text| text.trim().to_owned())
                .map_err(file_error("read the password in"));
        }
        let mut secret = [0_u8; 24];
        rand::rng().fill_bytes(&mut secret);
        let password: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut file = File::options()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(file_error("make the password file"))?;
        writeln!(file, "{password}").map_err(file_error("write the password file"))?;
        file.sync_all()
            .map_err(file_error("write the password file"))?;
        self.give_to(&path, account)?;
        Ok(password)
    }

    /// A new, empty log for the server's output.
    pub fn log_file(&self) -> Result<File, Error> {
        let path = self.root.join("server.log");
        File::create(&path).map_err(|source| Error::File {
            doing: "make the log file",
            path,
            source,
        })
    }

    /// The end of the server's output.
    pub fn log_tail(&self) -> String {
        let text = fs::read(self.root.join("server.log")).unwrap_or_default();
        let tail = &text[text.len().saturating_sub(LOG_TAIL_BYTES_MAX)..];
        String::from_utf8_lossy(tail).trim().to_owned()
    }

    fn give_to(&self, path: &Path, account: Account) -> Result<(), Error> {
        let Some(id) = account.dropped_to() else {
            return Ok(());
        };
        chown(path, Some(id), Some(id)).map_err(|source| Error::File {
            doing: "give to the unprivileged user",
            path: path.to_owned(),
            source,
        })
    }
}
