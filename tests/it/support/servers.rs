//! Who may use the run's servers: most tests share them, a test that breaks them has them alone.

use tokio::sync::{OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::kafka::Kafka;
use super::postgres::Postgres;

static KAFKA: OnceCell<Kafka> = OnceCell::const_new();
static POSTGRES: OnceCell<Postgres> = OnceCell::const_new();
static TURN: RwLock<()> = RwLock::const_new(());

/// Leave to use the servers; each is started by the first test that asks for it.
#[derive(Debug)]
pub struct Servers {
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    Shared(#[expect(dead_code, reason = "held for its drop")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held for its drop")] RwLockWriteGuard<'static, ()>),
}

impl Servers {
    /// To be used with other tests: nobody stops a server while this lives.
    pub async fn shared() -> Self {
        let turn = Turn::Shared(TURN.read().await);
        Self { turn }
    }

    /// To be stopped and started at will; what is down is started again when this is dropped.
    pub async fn alone() -> Self {
        let turn = Turn::Alone(TURN.write().await);
        Self { turn }
    }

    /// The broker.
    pub async fn kafka(&self) -> &'static Kafka {
        KAFKA.get_or_init(async || Kafka::begin()).await
    }

    /// The database server.
    pub async fn postgres(&self) -> &'static Postgres {
        POSTGRES.get_or_init(Postgres::begin).await
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if matches!(self.turn, Turn::Shared(_)) {
            return;
        }
        if let Some(kafka) = KAFKA.get() {
            kafka.resume();
        }
        if let Some(postgres) = POSTGRES.get() {
            postgres.start();
        }
    }
}
