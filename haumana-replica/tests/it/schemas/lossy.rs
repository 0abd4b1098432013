//! A network that loses requests and replies, and brings requests again, however late.

use haumana_replica::transport::{Call, DirectTransport, Transport};
use haumana_replica::{Error, ErrorKind, Result};
use haumana_sim::dice::Dice;
use haumana_sync::id::UserId;
use serde_json::Value as Json;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often one way is lost, in a hundred.
const LOSSES: u64 = 15;

#[derive(Debug)]
pub(crate) struct Lossy {
    direct: Mutex<DirectTransport>,
    dice: Mutex<Dice>,
    is_calm: AtomicBool,
    sent: Mutex<Vec<Vec<u8>>>,
    /// What the server was asked and answered, also if nobody heard the answer.
    answered: Mutex<Vec<(Json, Json)>>,
}

impl Lossy {
    pub(crate) fn new(direct: DirectTransport, seed: u64) -> Self {
        let (sent, answered) = (Mutex::default(), Mutex::default());
        let (direct, dice) = (Mutex::new(direct), Mutex::new(Dice::new(seed)));
        Self { direct, dice, is_calm: AtomicBool::new(false), sent, answered }
    }

    /// Another server answers from now on.
    pub(crate) fn move_to(&self, direct: DirectTransport) {
        *self.direct.lock().unwrap() = direct;
    }

    fn direct(&self) -> DirectTransport {
        self.direct.lock().unwrap().clone()
    }

    /// Loses nothing from now on.
    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// What the server has answered since this was last asked.
    pub(crate) fn take_answered(&self) -> Vec<(Json, Json)> {
        std::mem::take(&mut *self.answered.lock().unwrap())
    }

    fn pass(&self, op: &'static str) -> Result<()> {
        let is_calm = self.is_calm.load(Ordering::Relaxed);
        let is_lost = !is_calm && self.dice.lock().unwrap().chance(LOSSES);
        if is_lost { Err(Error::new(op, ErrorKind::Offline)) } else { Ok(()) }
    }

    /// A request of before that comes once more.
    fn late(&self) -> Option<Vec<u8>> {
        let (mut dice, sent) = (self.dice.lock().unwrap(), self.sent.lock().unwrap());
        let is_late = !self.is_calm.load(Ordering::Relaxed) && dice.chance(10);
        (is_late && !sent.is_empty()).then(|| dice.pick(&sent).clone())
    }

    async fn deliver(&self, account: &UserId, body: &[u8]) -> Result<Vec<u8>> {
        let reply = self.direct().sync(account, body.to_vec()).await?;
        let json = |body: &[u8]| serde_json::from_slice::<Json>(body).unwrap();
        if std::env::var_os("HAUMANA_SIM_STORY").is_some() {
            eprintln!("-> {}\n<- {}", json(body), json(&reply));
        }
        self.answered.lock().unwrap().push((json(body), json(&reply)));
        Ok(reply)
    }
}

#[async_trait::async_trait]
impl Transport for Lossy {
    async fn sync(&self, account: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        self.pass("sync")?;
        let reply = self.deliver(account, &body).await?;
        if let Some(late) = self.late() {
            self.deliver(account, &late).await?;
        }
        self.sent.lock().unwrap().push(body);
        self.pass("sync")?;
        Ok(reply)
    }

    async fn call(&self, account: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.pass("call")?;
        let reply = self.direct().call(account, call).await?;
        self.pass("call")?;
        Ok(reply)
    }

    async fn export(&self, account: &UserId, file: &mut (dyn Write + Send)) -> Result<()> {
        self.direct().export(account, file).await
    }
}
