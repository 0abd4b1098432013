//! What the page gives: rows in IndexedDB, calls over `fetch`, a clock and randomness.

use crate::rows::{Row, RowChange, Rows};
use async_trait::async_trait;
use haumana_replica::{Error, ErrorKind, Result};
use haumana_sync::engine::{Clock, Random};
use haumana_sync::time::UnixMillis;
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const HOST: &str = r#"
/** What a page gives to a replica; `host.js` makes one. */
export interface Host {
  /** All rows, as keys and texts in turn. */
  load(): Promise<string[]>;
  /** Makes all changes in one transaction, or none. */
  write(changes: string): Promise<void>;
  /** Calls the server; the answer is its status and its body. Rejects if there is no server. */
  call(method: string, path: string, body: string | undefined): Promise<[number, string]>;
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
    ) -> std::result::Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn fill(bytes: &mut [u8]);
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
fn failed(op: &'static str, why: &JsValue) -> Error {
    let name = js_sys::Reflect::get(why, &"name".into()).ok().and_then(|name| name.as_string());
    Error::new(op, ErrorKind::Storage).caused_by(name.unwrap_or_default())
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
