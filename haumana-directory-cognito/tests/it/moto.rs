//! moto's server, from PyPI, in an environment of its own below the target folder.

use haumana_api::directory::conformance::Inspect;
use haumana_api::directory::{DirectoryError, Profile, UserDirectory};
use haumana_directory_cognito::sdk::Client;
use haumana_directory_cognito::sdk::config::{
    BehaviorVersion, Config, Credentials, Region, SharedCredentialsProvider,
};
use haumana_directory_cognito::{CognitoDirectory, CognitoOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

const MOTO: &str = "moto[cognitoidp,server]==5.2.5";

/// Ends when its standard input does, and so with the test, however that ends.
const SERVER: &str = r#"
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("http://%s:%d" % server.get_host_and_port(), flush=True)
threading.Event().wait()
"#;

/// One server for all tests; each has a pool of its own.
static EMULATOR: LazyLock<Option<Emulator>> = LazyLock::new(Emulator::start);

struct Emulator {
    url: String,
    // Its standard input must stay open.
    _child: Child,
}

impl Emulator {
    fn start() -> Option<Self> {
        let Some(python) = python() else {
            assert!(std::env::var_os("CI").is_none(), "CI must have Python 3 with venv");
            eprintln!("skipped: the tests against Cognito's emulator need Python 3 with venv");
            return None;
        };
        let mut command = Command::new(python);
        command.args(["-c", SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "the emulator must start: {url:?}");
        Some(Self { url: url.trim_end().to_owned(), _child: child })
    }
}

/// The Python that has moto; it is installed the first time.
fn python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto-5.2.5");
    let (python, ready) = (venv.join("bin/python"), venv.join("ready"));
    if ready.exists() {
        return Some(python);
    }
    let has_venv = Command::new("python3").args(["-c", "import venv, ensurepip"]).output();
    has_venv.ok().filter(|output| output.status.success())?;
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", MOTO]));
    std::fs::write(ready, "").unwrap();
    Some(python)
}

/// An empty pool, and a directory in it.
#[derive(Debug)]
pub(crate) struct Pool {
    pub directory: CognitoDirectory,
    pub client: Client,
    pub id: String,
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "tests")
}

/// A client without TLS, for what the directory itself never asks.
fn client(url: &str) -> Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-west-2"))
        .credentials_provider(credentials())
        .endpoint_url(url)
        .http_client(http);
    Client::from_conf(config.build())
}

/// Makes an empty pool; `None` if there is no emulator on this machine.
pub(crate) async fn pool() -> Option<Pool> {
    let emulator = tokio::task::spawn_blocking(|| EMULATOR.as_ref()).await.unwrap()?;
    let client = client(&emulator.url);
    let made = client.create_user_pool().pool_name("haumana").send().await.unwrap();
    let id = made.user_pool.unwrap().id.unwrap();
    let directory = CognitoDirectory::new(options(&emulator.url, &id));
    Some(Pool { directory, client, id })
}

pub(crate) fn options(url: &str, pool: &str) -> CognitoOptions {
    let credentials = SharedCredentialsProvider::new(credentials());
    let mut options = CognitoOptions::new("us-west-2", pool, credentials, Duration::from_secs(30));
    options.endpoint = Some(url.into());
    options
}

#[async_trait::async_trait]
impl UserDirectory for Pool {
    async fn put(&self, username: &str, profile: &Profile) -> Result<(), DirectoryError> {
        self.directory.put(username, profile).await
    }

    async fn remove(&self, username: &str) -> Result<(), DirectoryError> {
        self.directory.remove(username).await
    }
}

#[async_trait::async_trait]
impl Inspect for Pool {
    async fn entry(&self, username: &str) -> Option<Profile> {
        let user = self.client.admin_get_user().user_pool_id(&self.id).username(username);
        let user = match user.send().await {
            Ok(user) => user,
            Err(error) => {
                assert!(error.as_service_error().unwrap().is_user_not_found_exception());
                return None;
            }
        };
        let attributes = user.user_attributes();
        let attribute = |name: &str| {
            let attribute = attributes.iter().find(|attribute| attribute.name() == name);
            attribute.and_then(|attribute| attribute.value()).map(str::to_owned)
        };
        assert_eq!(Some("true"), attribute("email_verified").as_deref());
        Some(Profile {
            email: attribute("email").unwrap(),
            name: attribute("name"),
            picture: attribute("picture"),
        })
    }
}
