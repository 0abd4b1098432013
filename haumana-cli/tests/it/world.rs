//! Starts the local server, and runs `haumana` in folders of its own.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::LazyLock;
use tempfile::TempDir;

/// The server's program. It belongs to another package, so that cargo does not build it for these
/// tests by itself.
static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
    let haumana = Path::new(env!("CARGO_BIN_EXE_haumana"));
    let mut build = Command::new(env!("CARGO"));
    // As `.ci/build` does, and for its reason: the program that the tests of the workspace have built.
    build.args(["build", "--quiet", "--locked", "--workspace", "--example", "tables"]);
    build.args(["--bin", "haumana-server"]);
    if haumana.parent().unwrap().ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the server must build");
    haumana.with_file_name(format!("haumana-server{}", std::env::consts::EXE_SUFFIX))
});

/// A server on a free port, and a folder for everything.
pub(crate) struct World {
    pub folder: TempDir,
    pub url: String,
    server: Child,
    // The server must be able to write to it as long as it runs.
    _stdout: BufReader<ChildStdout>,
}

/// How a run of `haumana` ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::serving(&[])
    }

    /// A server that is started with these arguments besides.
    pub(crate) fn serving(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(SERVER.as_path());
        let mut server = clean(&mut command)
            .args(["--listen", "127.0.0.1:0", "--log", "error"])
            .args(args)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(server.stdout.take().unwrap());
        let url = stdout
            .by_ref_lines()
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        Self { folder, url: url.unwrap(), server, _stdout: stdout }
    }

    /// `haumana` with a clean environment, in the folder, for one device.
    pub(crate) fn command(&self, device: &str, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_haumana"));
        clean(&mut command).args(args).current_dir(self.folder.path());
        command.env("HAUMANA_DEVICE", device).env("HAUMANA_SERVER", &self.url);
        command
    }

    pub(crate) fn run(&self, device: &str, args: &[&str]) -> Ran {
        Ran::of(self.command(device, args).output().unwrap())
    }

    /// Runs it with something on its standard input.
    pub(crate) fn run_with(&self, device: &str, args: &[&str], input: &str) -> Ran {
        let mut command = self.command(device, args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }

    /// Runs it, and returns what it says if it ends well.
    #[track_caller]
    pub(crate) fn ok(&self, device: &str, args: &[&str]) -> String {
        let ran = self.run(device, args);
        assert_eq!(0, ran.code, "{args:?}: {}", ran.err);
        ran.out
    }

    #[track_caller]
    pub(crate) fn json(&self, device: &str, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        serde_json::from_str(&self.ok(device, &args)).unwrap()
    }

    /// Makes devices and signs `kai` in on each.
    pub(crate) fn devices(&self, devices: &[&str]) {
        for device in devices {
            self.ok(device, &["init"]);
            self.ok(device, &["sign-in", "kai"]);
        }
    }

    /// Lets a device take its token to this address, where something else may answer.
    #[track_caller]
    pub(crate) fn trust(&self, device: &str, url: &str) {
        let token = format!("{device}/token");
        let mut command = self.command(device, &["sign-in", "--token-file", &token]);
        let ran = Ran::of(command.env("HAUMANA_SERVER", url).output().unwrap());
        assert_eq!(0, ran.code, "{}", ran.err);
    }

    /// Ends the server.
    pub(crate) fn stop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Without what the person who runs the tests has set.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HAUMANA_")) {
        command.env_remove(name);
    }
    command.env_remove("VISUAL").env_remove("EDITOR")
}

/// Lines, one by one, from a reader that is kept.
trait Lines {
    fn by_ref_lines(&mut self) -> impl Iterator<Item = String>;
}

impl<R: BufRead> Lines for R {
    fn by_ref_lines(&mut self) -> impl Iterator<Item = String> {
        std::iter::from_fn(|| {
            let mut line = String::new();
            let n_read = self.read_line(&mut line).unwrap();
            (n_read != 0).then(|| line.trim_end().to_owned())
        })
    }
}
