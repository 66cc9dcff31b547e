//! The process of a container, which can be stopped and killed.

use std::fs;
use std::process::Command;
use std::time::Duration;

use testkit::within;
use tokio::time::sleep;

use super::POLL;

/// A process of a container, by its id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Process(u32);

// === impl Process ===

impl Process {
    pub async fn of_container(id: &str) -> Self {
        assert!(!id.is_empty(), "a running container must have an id");
        within("a container's process", async {
            loop {
                if let Some(process) = find(id) {
                    return process;
                }
                sleep(POLL).await;
            }
        })
        .await
    }

    /// Hangs the process: its ports are open, and nothing answers.
    pub fn hang(self) {
        self.signal("STOP");
    }

    pub fn go_on(self) {
        self.signal("CONT");
    }

    /// Kills the process, as the kernel would.
    pub fn crash(self) {
        self.signal("KILL");
    }

    /// Returns the resident memory in KiB: `Rss` is all of it, `Pss` counts shared pages in
    /// parts.
    pub fn memory(self, kind: &str) -> u64 {
        let text = self.read("smaps_rollup");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(kind)?.strip_prefix(':'));
        let size = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        size.unwrap_or_else(|| panic!("no {kind} in {text}"))
    }

    /// Returns the memory in KiB that counts against a limit of the container: its own pages, and
    /// the kernel's for it.
    pub fn charged(self) -> u64 {
        let groups = self.read("cgroup");
        // A machine has one hierarchy for memory, or one for everything.
        let mut files = groups.lines().filter_map(|line| {
            let (hierarchy, path) = line.split_once(':')?.1.split_once(':')?;
            match hierarchy {
                "memory" => Some(format!("memory{path}/memory.usage_in_bytes")),
                "" => Some(format!("{}/memory.current", path.trim_start_matches('/'))),
                _ => None,
            }
        });
        let bytes = files.find_map(|file| {
            let text = fs::read_to_string(format!("/sys/fs/cgroup/{file}")).ok()?;
            text.trim().parse::<u64>().ok()
        });
        bytes.unwrap_or_else(|| panic!("no memory is accounted for in {groups}")) / 1024
    }

    /// Returns the processor time so far, to the nanosecond.
    pub fn cpu(self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0)).expect("it must be running");
        let spent = threads.map(|thread| {
            let thread = thread.expect("a process must have threads");
            let text = fs::read_to_string(thread.path().join("schedstat"));
            let text = text.expect("the kernel must have schedstat");
            let spent = text.split(' ').next().and_then(|spent| spent.parse().ok());
            Duration::from_nanos(spent.expect("schedstat must begin with the time"))
        });
        spent.sum()
    }

    fn read(self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0)).expect("it must be running")
    }

    fn signal(self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.0.to_string()])
            .status();
        let status = status.expect("kill must be installed");
        assert!(
            status.success(),
            "{name} must reach the process of a container"
        );
    }
}

/// Returns the first process in the control group that runc names after the container.
fn find(container: &str) -> Option<Process> {
    let processes = fs::read_dir("/proc").expect("/proc must be mounted");
    let ids = processes.filter_map(|it| it.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let inside = |id: &u32| {
        let groups = fs::read_to_string(format!("/proc/{id}/cgroup")).unwrap_or_default();
        // Before the start, runc's own process is in there.
        let program = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        groups.contains(container) && !program.starts_with("runc")
    };
    ids.filter(inside).min().map(Process)
}
