//! The resources that this process uses, as the kernel reports them. The sandbox hides all other processes.
//! <https://www.kernel.org/doc/html/latest/filesystems/proc.html#process-specific-subdirectories>

use std::fs;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::metrics::Text;

/// The resources that a process uses.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// CPU time in seconds.
    pub cpu_s: f64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Virtual memory.
    pub virtual_bytes: u64,
    /// Open files and sockets.
    pub open_files: u64,
    /// The limit of open files and sockets.
    pub max_open_files: Option<u64>,
    /// Threads.
    pub threads: u64,
}

impl Usage {
    /// Returns the resources that this process uses now; 0 where the kernel reports no value. Reads a few short files
    /// of `/proc`.
    #[must_use]
    pub fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name| field(&status, name).unwrap_or_default().saturating_mul(1024);
        Self {
            #[expect(clippy::cast_precision_loss, reason = "2^53 seconds are never used")]
            cpu_s: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            // One of the entries is the open directory itself.
            open_files: fs::read_dir("/proc/self/fd").map_or(0, |open| (open.count() as u64).saturating_sub(1)),
            max_open_files: getrlimit(Resource::Nofile).current,
            threads: field(&status, "Threads:").unwrap_or_default(),
        }
    }

    /// Writes the metrics of a process that started at `started_us`, microseconds since 1970, with the names that
    /// Prometheus' own libraries use.
    pub fn show(&self, text: &mut Text, started_us: u64) {
        let started_s = Duration::from_micros(started_us).as_secs_f64();
        text.gauge("process_start_time_seconds", "When the process started, since 1970.", started_s);
        text.counter("process_cpu_seconds_total", "Time on processors.", self.cpu_s);
        text.gauge("process_resident_memory_bytes", "Memory in use.", self.resident_bytes);
        text.gauge("process_virtual_memory_bytes", "Addresses in use.", self.virtual_bytes);
        text.gauge("process_open_fds", "Open files and sockets.", self.open_files);
        if let Some(most) = self.max_open_files {
            text.gauge("process_max_fds", "Files and sockets that may be open.", most);
        }
        text.gauge("process_threads", "Threads.", self.threads);
    }
}

/// Returns the number after `name` in a file such as `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::Usage;

    #[test]
    fn a_process_takes_something() {
        let usage = Usage::now();
        assert!(usage.cpu_s > 0.0 && usage.threads > 0 && usage.open_files >= 3, "{usage:?}");
        assert!((1 << 20..usage.virtual_bytes).contains(&usage.resident_bytes), "{usage:?}");
        assert!(usage.max_open_files.is_none_or(|most| most >= usage.open_files), "{usage:?}");
    }
}
