//! Faults as the kernel makes them.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use v4l::Device;
use v4l::control::{Control, Value};
use v4l::format::{Format, FourCC};
use v4l::fraction::Fraction;
use v4l::video::Capture;
use v4l::video::capture::Parameters;

/// vivid's button that unplugs it (VIVID_CID_DISCONNECT of the kernel's vivid-ctrls.c).
const DISCONNECT: u32 = 0x00f0_f000 + 65;

/// A driver and the device that is taken from it.
pub(crate) struct Bound {
    driver: &'static str,
    device: &'static str,
}

/// The loopback sound card.
pub(crate) const CARD: Bound = Bound { driver: "snd_aloop", device: "snd_aloop.0" };
/// The camera with the test picture.
pub(crate) const CAMERA: Bound = Bound { driver: "vivid", device: "vivid.0" };

impl Bound {
    fn write(&self, what: &str) -> std::io::Result<()> {
        std::fs::write(Path::new("/sys/bus/platform/drivers").join(self.driver).join(what), self.device)
    }

    /// Takes the device away, with its nodes, under the hands of who uses it. The kernel waits until the last one has closed it:
    /// the answer comes then.
    pub(crate) fn unbind(&'static self) -> Receiver<std::io::Result<()>> {
        let (sender, receiver) = sync_channel(1);
        std::thread::spawn(move || {
            let _ = sender.send(self.write("unbind"));
        });
        receiver
    }

    /// Gives it back.
    pub(crate) fn bind(&self) -> Result<()> {
        self.write("bind").with_context(|| format!("bind {}", self.device))
    }
}

/// Waits until the kernel has let the device go.
pub(crate) fn gone(answer: &Receiver<std::io::Result<()>>) -> Result<()> {
    answer.recv_timeout(Duration::from_secs(30)).context("the device is still held after 30 s")?.context("unbind")
}

/// An unplugged camera whose node stays; it comes back once the last program has closed it, so when this is dropped.
pub(crate) struct Unplugged(#[expect(dead_code, reason = "held open")] Device);

/// Unplugs vivid.
pub(crate) fn unplug(node: &str) -> Result<Unplugged> {
    let device = Device::with_path(node).with_context(|| node.to_owned())?;
    device.set_control(Control { id: DISCONNECT, value: Value::Integer(1) }).context("press Disconnect")?;
    Ok(Unplugged(device))
}

/// Leaves a camera at 2/25 s a picture, as another program might.
pub(crate) fn leave_odd_interval(node: &str) -> Result<()> {
    let odd = Fraction::new(2, 25);
    let device = Device::with_path(node).with_context(|| node.to_owned())?;
    Capture::set_format(&device, &Format::new(640, 480, FourCC::new(b"YUYV"))).context("set the format")?;
    Capture::set_params(&device, &Parameters::new(odd)).context("set the interval")?;
    drop(device);
    let left = Capture::params(&Device::with_path(node)?)?.interval;
    ensure!((left.numerator, left.denominator) == (2, 25), "the interval is {left}, expected 2/25");
    Ok(())
}
