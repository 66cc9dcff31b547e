//! The values of this process in /proc.

use std::fs;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The values of a process that Prometheus' client libraries export.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Process {
    /// The resident memory, in bytes.
    pub resident_bytes: u64,
    /// The user and system time, in seconds.
    pub cpu_seconds: f64,
    /// The number of open file descriptors.
    pub open_fds: u64,
    /// The time at which [`started`] was first called.
    pub started: SystemTime,
}

/// The clock ticks in a second. Linux gives user space 100 on every architecture.
const TICKS: f64 = 100.0;

/// Returns the start time of the process. The first call sets it, so it is made at start.
pub(crate) fn started() -> SystemTime {
    static STARTED: OnceLock<SystemTime> = OnceLock::new();
    *STARTED.get_or_init(SystemTime::now)
}

/// Reads /proc/self. Returns `None` if it is not mounted.
pub(crate) fn read() -> Option<Process> {
    let (resident_bytes, cpu_seconds) = parse(
        &fs::read_to_string("/proc/self/status").ok()?,
        &fs::read_to_string("/proc/self/stat").ok()?,
    )?;
    // The descriptor that reads the folder is one of them.
    let open_fds = fs::read_dir("/proc/self/fd")
        .ok()?
        .count()
        .saturating_sub(1) as u64;
    Some(Process {
        resident_bytes,
        cpu_seconds,
        open_fds,
        started: started(),
    })
}

/// Returns the resident bytes and the CPU seconds. Source: proc(5), `VmRSS` and fields 14 and 15.
fn parse(status: &str, stat: &str) -> Option<(u64, f64)> {
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    // The name before the last parenthesis may hold spaces.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((kilobytes * 1024, (ticks()? + ticks()?) / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_proc_whatever_the_name() {
        let status = "Name:\thealth\nVmRSS:\t    2048 kB\nThreads:\t1\n";
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 300 0 0 0 150 50 0 0 20 0 1 0";
        assert_eq!(parse(status, stat), Some((2 << 20, 2.0)));
        assert_eq!(parse("", ""), None);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let process = read().unwrap();
        assert!(
            process.resident_bytes > 1 << 20 && process.open_fds >= 3,
            "{process:?}"
        );
    }
}
