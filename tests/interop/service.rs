//! A real go-micro service, as a child process on a loopback port of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use tempfile::TempDir;
use testkit::rig::program;
use testkit::{LOOK_AGAIN, PATIENCE, address};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// The name of every service of the rig.
pub const NAME: &str = "go.micro.srv.greeter";

/// A running cell: one generation, one wire, one mode.
#[derive(Debug)]
pub struct Service {
    pub address: SocketAddr,
    pub cell: &'static str,
    mode: &'static str,
    /// The additional variables of the fixture.
    variables: Vec<(&'static str, String)>,
    child: Child,
    /// The HOME of the child (v5 keeps files there), with its log.
    home: TempDir,
}

// === impl Service ===

impl Service {
    /// Starts a cell and waits until it accepts connections.
    pub async fn start(cell: &'static str, mode: &'static str) -> Self {
        Self::start_with(cell, mode, Vec::new()).await
    }

    /// Starts a cell with additional variables.
    pub async fn start_with(
        cell: &'static str,
        mode: &'static str,
        variables: Vec<(&'static str, String)>,
    ) -> Self {
        let address = address::free();
        let home = tempfile::tempdir().expect("a temporary directory must be creatable");
        let child = spawn(cell, mode, &variables, address, &home);
        let mut service = Self {
            address,
            cell,
            mode,
            variables,
            child,
            home,
        };
        service.accepts().await;
        service
    }

    /// Kills the service as the kernel would, and waits until its port is closed.
    pub async fn stop(&mut self) {
        timeout(PATIENCE, self.child.kill())
            .await
            .expect("a killed child must end")
            .expect("a child of ours must be killable");
    }

    /// Starts the stopped service again, on the same port.
    pub async fn restart(&mut self) {
        self.child = spawn(
            self.cell,
            self.mode,
            &self.variables,
            self.address,
            &self.home,
        );
        self.accepts().await;
    }

    /// Returns the number of files and sockets that the service holds open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid()))
            .expect("a running child must have descriptors")
            .count()
    }

    /// Returns the resident memory in KiB.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("a running child must have a status");
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|value| value.trim().strip_suffix(" kB"))
            .and_then(|kib| kib.trim().parse().ok())
            .expect("a running child must have resident memory")
    }

    /// Returns the stdout and the stderr of the service.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).expect("the log of a child must be readable text")
    }

    fn log_path(&self) -> PathBuf {
        self.home.path().join("log")
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("the service must be running")
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("a child of ours must be waitable")
    }

    async fn accepts(&mut self) {
        let open = async {
            while TcpStream::connect(self.address).await.is_err() {
                if let Some(status) = self.ended() {
                    panic!("{} ended at its start, {status}: {}", self.cell, self.log());
                }
                sleep(LOOK_AGAIN).await;
            }
        };
        let open = timeout(PATIENCE, open).await;
        open.unwrap_or_else(|_| panic!("{} must open its port: {}", self.cell, self.log()));
    }
}

fn spawn(
    cell: &str,
    mode: &str,
    variables: &[(&'static str, String)],
    address: SocketAddr,
    home: &TempDir,
) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(home.path().join("log"))
        .expect("a log must be creatable in a fresh directory");
    let again = log.try_clone().expect("a descriptor must be clonable");
    Command::new(program(cell))
        .env_clear()
        .env("HOME", home.path())
        .env("FIX_ADDR", address.to_string())
        .env("FIX_NAME", NAME)
        .env("FIX_MODE", mode)
        .envs(variables.iter().cloned())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(again)
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{cell} must start: {error}"))
}
