//! Running the emulated machine, and what it says.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::kernel::Kernel;

/// A machine that runs longer hangs.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// What it is promised to take at most.
const PROMISED: Duration = Duration::from_secs(10 * 60);
/// Before the trial's exit code.
const EXIT: &str = "device-test: exit ";

/// Boots the image and shows what the machine says; anything but the trial's exit code 0 is an error.
pub(crate) fn boot(folder: &Path, kernel: &Kernel, image: &Path) -> Result<()> {
    let log = folder.join("serial.log");
    let started = Instant::now();
    // Two processors, as the smallest devices have. "max" is all that software emulation knows, without the host's abilities:
    // the same on every host.
    let mut machine = Command::new("qemu-system-x86_64")
        .args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1536"])
        .args(["-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-monitor", "none"])
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(image)
        .args(["-append", "console=ttyS0 panic=-1 loglevel=3 mitigations=off"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start qemu-system-x86_64; is it installed?")?;
    let code = watch(&mut machine, &log, started);
    let _ = machine.kill();
    let _ = machine.wait();
    let took = started.elapsed();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().take(3).collect::<Vec<_>>().join(" ");
    println!("the machine ran {:.0} s at load {load}; all that it said is in {}", took.as_secs_f64(), log.display());
    let code = code?;
    ensure!(code == "0", "the trial failed (exit code {code}); see the lines that begin with FAILED");
    ensure!(took <= PROMISED, "it took longer than {} minutes; run it on a less busy machine", PROMISED.as_secs() / 60);
    Ok(())
}

/// Shows and keeps what the machine says; gives the trial's exit code.
fn watch(machine: &mut Child, log: &Path, started: Instant) -> Result<String> {
    let output = machine.stdout.take().context("the machine has no serial line")?;
    // Bounded; the serial line waits.
    let (sender, lines) = sync_channel(1024);
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    let mut log = std::fs::File::create(log)?;
    let mut code = None;
    loop {
        match lines.recv_timeout(LONGEST.saturating_sub(started.elapsed())) {
            Ok(line) => {
                writeln!(log, "{line}")?;
                println!("{line}");
                code = line.strip_prefix(EXIT).map(String::from).or(code);
            }
            Err(RecvTimeoutError::Timeout) => bail!("the machine hangs: not ended within {} s", LONGEST.as_secs()),
            Err(RecvTimeoutError::Disconnected) => {
                return code.context("the machine ended before the trial; see what it said last");
            }
        }
    }
}
