//! What the page gives: rows in IndexedDB, calls over `fetch`, a clock and randomness.

use crate::rows::{Row, RowChange, Rows};
use async_trait::async_trait;
use haumana_replica::{Error, ErrorKind, Result, Sleep};
use haumana_sync::engine::{Clock, Random};
use haumana_sync::time::UnixMillis;
use std::time::Duration;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(typescript_custom_section)]
const HOST: &str = r#"
/** What a page gives to a replica; `host.js` makes one. */
export interface Host {
  /** All rows, as keys and texts in turn. */
  load(): Promise<string[]>;
  /** Makes all changes in one transaction, or none. */
  write(changes: string): Promise<void>;
  /** Calls the server as `account`, or not at all; the answer is its status, its body, and the seconds of
   * `Retry-After` if it has them. Rejects if there is no server, and with the name `TooLong` if the body has
   * more than `bytes`. */
  call(method: string, path: string, body: string | undefined, bytes: number, account: string): Promise<[number, string, number?]>;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// A page.
    #[wasm_bindgen(typescript_type = "Host")]
    #[derive(Clone, Debug)]
    pub type Host;

    #[wasm_bindgen(method, catch)]
    async fn load(this: &Host) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn write(this: &Host, changes: &str) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    pub(crate) async fn call(
        this: &Host,
        method: &str,
        path: &str,
        body: Option<String>,
        bytes: f64,
        account: &str,
    ) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn fill(bytes: &mut [u8]);

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(then: &js_sys::Function, ms: i32) -> JsValue;
}

/// The rows of a page.
#[derive(Debug)]
pub(crate) struct HostRows(pub(crate) Host);

#[async_trait(?Send)]
impl Rows for HostRows {
    async fn load(&mut self) -> Result<Vec<Row>> {
        let all = self.0.load().await.map_err(|why| failed("open", &why))?;
        let texts: Vec<String> =
            js_sys::Array::from(&all).iter().filter_map(|text| text.as_string()).collect();
        let (pairs, _) = texts.as_chunks::<2>();
        Ok(pairs.iter().map(|[key, text]| (key.clone(), text.clone())).collect())
    }

    async fn write(&mut self, changes: &[RowChange]) -> Result<()> {
        let json = serde_json::to_string(changes);
        let json = json.map_err(|why| Error::new("write", ErrorKind::Storage).caused_by(why))?;
        self.0.write(&json).await.map(drop).map_err(|why| failed("write", &why))
    }
}

/// The name of what the page threw, which says nothing of anybody's data.
pub(crate) fn name_of(why: &JsValue) -> String {
    let name = js_sys::Reflect::get(why, &"name".into()).ok().and_then(|name| name.as_string());
    name.unwrap_or_default()
}

fn failed(op: &'static str, why: &JsValue) -> Error {
    let name = name_of(why);
    let is_full = name == "QuotaExceededError";
    let kind = if is_full { ErrorKind::NoSpace } else { ErrorKind::Storage };
    Error::new(op, kind).caused_by(name)
}

/// The page's clock.
#[derive(Debug)]
pub(crate) struct PageClock;

impl Clock for PageClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(js_sys::Date::now() as i64)
    }
}

/// The page's randomness.
#[derive(Debug)]
pub(crate) struct PageRandom;

impl Random for PageRandom {
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The page's timers.
#[derive(Debug)]
pub(crate) struct PageSleep;

#[async_trait(?Send)]
impl Sleep for PageSleep {
    async fn sleep(&self, wait: Duration) {
        let ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let over = js_sys::Promise::new(&mut |then, _| drop(set_timeout(&then, ms)));
        // A timer does not fail.
        let _ = JsFuture::from(over).await;
    }
}
