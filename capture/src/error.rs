//! The one error type of this crate.

use std::path::{Path, PathBuf};

use crate::device::DeviceKind;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, CaptureError>;

/// How a program should react to an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was given cannot be used; the same call fails again until the user changes the input.
    BadInput,
    /// A device does not deliver now; the same call may succeed later.
    Device,
    /// Nothing in this process will make it succeed; a new one may.
    Restart,
}

/// What can go wrong between a recording and its payloads.
///
/// Every message is one line that names the file, what was expected and found, and the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// A time that cannot be told.
    #[error("{seconds} s is not a time: expected a finite number of seconds from 0 to 1.8e10")]
    InvalidTime {
        /// The value given.
        seconds: f64,
    },
    /// A stretch of time that ends before it starts.
    #[error("a span from {start_s} s to {end_s} s ends before it starts: exchange the two")]
    InvalidSpan {
        /// Where it would start, in seconds.
        start_s: f64,
        /// Where it would end, in seconds.
        end_s: f64,
    },
    /// A sampling rate that no sound has.
    #[error("{hz} Hz is not a usable sampling rate: expected 1000 to 768000 Hz; convert the sound")]
    InvalidRate {
        /// The value given.
        hz: u32,
    },
    /// A picture whose pixels do not fit its sides.
    #[error("a picture of {width} x {height} needs {expected} bytes of RGB (more than none), found {found}")]
    InvalidFrame {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes that the sides ask for.
        expected: u64,
        /// Bytes given.
        found: u64,
    },
    /// A sample of a clip is not a finite number.
    #[error("sample {index} of the sound is not a finite number; repair or leave out the recording")]
    NotFinite {
        /// The first such sample.
        index: usize,
    },
    /// The resampler cannot convert between two rates.
    #[error("cannot resample from {from_hz} Hz to {to_hz} Hz: {reason}; convert the sound to 16000 Hz first")]
    Resample {
        /// The rate of the clip.
        from_hz: u32,
        /// The rate asked for.
        to_hz: u32,
        /// What the resampler said.
        reason: String,
    },

    /// There is nothing at the path.
    #[error("{}: no such file or folder; check the path", path.display())]
    Missing {
        /// The path given.
        path: PathBuf,
    },
    /// The path is neither a file nor a folder.
    #[error("{}: neither an ordinary file nor a folder; give a recording", path.display())]
    NotAFile {
        /// The path given.
        path: PathBuf,
    },
    /// The operating system refused a file operation.
    #[error("{}: cannot {action}: {source}; check permissions and the disk", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// The system's own error.
        #[source]
        source: std::io::Error,
    },
    /// The file has no content.
    #[error("{}: the file is empty (0 bytes); record or copy it again", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file's first bytes are those of no format that can be read.
    #[error("{}: not a recording that can be read, it starts like {found}; expected {expected}", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// The format's name where it is a known one, else the first bytes.
        found: String,
        /// What can be read here.
        expected: &'static str,
    },
    /// The container can be read, the codec inside cannot.
    #[error("{}: unsupported codec {codec}; convert to {supported}", path.display())]
    UnsupportedCodec {
        /// The file.
        path: PathBuf,
        /// The codec's name.
        codec: String,
        /// What can be decoded here.
        supported: &'static str,
    },
    /// A known kind of file or codec that is not read here.
    #[error("{}: {found} is not read here; convert it: {command}", path.display())]
    Convert {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
        /// The command line that makes a file of it that can be read.
        command: String,
    },
    /// A film has no sound track of the number given.
    #[error("{}: it has no sound track {wanted}; found: {found}; choose one of these", path.display())]
    SoundTrack {
        /// The film.
        path: PathBuf,
        /// The number given, from 1.
        wanted: u32,
        /// The sound tracks that there are, by their numbers.
        found: String,
    },
    /// A sound track was asked for that there is not.
    #[error("{}: it has no sound track {wanted}, only {count}; choose one of them", path.display())]
    NoSuchTrack {
        /// The file.
        path: PathBuf,
        /// The number asked for, from 1.
        wanted: u32,
        /// How many there are.
        count: u32,
    },
    /// Decoding needs more memory than it may take.
    #[error(
        "{}: its sound takes {needed} bytes of memory when it is decoded, expected at most {limit}; cut it into shorter recordings",
        path.display()
    )]
    OverMemory {
        /// The file.
        path: PathBuf,
        /// What it needs, or the first size that is too much where the file does not tell.
        needed: u64,
        /// What may be taken.
        limit: u64,
    },
    /// A parser or decoder does not come back.
    #[error("{}: {library} has not come back for {patience_s} s; the file is damaged or hostile, leave it out", path.display())]
    NoAnswer {
        /// The file.
        path: PathBuf,
        /// The library.
        library: &'static str,
        /// How long it was waited for.
        patience_s: f64,
    },
    /// Too many parsers never came back.
    #[error("{}: not read, for {count} readers of earlier files never came back; start the program anew", path.display())]
    TooManyHanging {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// Decoding takes longer than listening would.
    #[error("{}: decoding takes longer than listening at {position_s:.3} s; the file is damaged or hostile, leave it out", path.display())]
    TooSlow {
        /// The file.
        path: PathBuf,
        /// Where in the recording, in seconds.
        position_s: f64,
    },
    /// The file's structure breaks its format's rules.
    #[error("{}: not a readable {format} file: {reason}; record or convert it again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The format's name.
        format: &'static str,
        /// What was found.
        reason: String,
    },
    /// The file ends before the length that it tells.
    #[error("{}: cut short: it tells of {expected} {unit}, found {found}; copy or record it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What the file's own headers promise.
        expected: u64,
        /// What is there.
        found: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Content that cannot be decoded.
    #[error("{}: damaged at {position_s:.3} s: {reason}; copy or record it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where in the recording, in seconds.
        position_s: f64,
        /// What the decoder said.
        reason: String,
    },
    /// A sample in a file is not a finite number.
    #[error("{}: the sample at {position_s:.3} s is not a finite number; repair or leave out the recording", path.display())]
    NotFiniteInFile {
        /// The file.
        path: PathBuf,
        /// Where in the recording, in seconds.
        position_s: f64,
    },
    /// A decoding library broke down on the file.
    #[error("{}: {library} broke down on it: {reason}; the file is damaged or hostile, copy or record it again", path.display())]
    DecoderFault {
        /// The file.
        path: PathBuf,
        /// The library.
        library: &'static str,
        /// Its last words.
        reason: String,
    },
    /// The recording is longer than fits into memory safely.
    #[error("{}: longer than {limit_s:.0} s; cut it into shorter recordings", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The longest recording accepted at this sampling rate, in seconds.
        limit_s: f64,
    },
    /// A value in a file is beyond what is read here.
    #[error("{}: {found} {unit} are more than the {limit} that are accepted; convert it to a smaller one", path.display())]
    TooLarge {
        /// The file or folder.
        path: PathBuf,
        /// Of what.
        unit: &'static str,
        /// What the file has.
        found: u64,
        /// The largest value accepted.
        limit: u64,
    },
    /// The recording has neither sound nor pictures.
    #[error("{}: no sound and no pictures inside; give another recording", path.display())]
    NoMedia {
        /// The file.
        path: PathBuf,
    },
    /// The sound has no samples.
    #[error("{}: the sound has no samples; record it again", path.display())]
    NoSamples {
        /// The file.
        path: PathBuf,
    },
    /// The folder has no pictures.
    #[error("{}: no pictures in this folder; expected png, jpeg, webp or bmp files", path.display())]
    NoPictures {
        /// The folder.
        path: PathBuf,
    },
    /// The folder has several sound files.
    #[error("{}: more than one sound file ({first}, {second}); leave only the one that belongs to the pictures", path.display())]
    SeveralSounds {
        /// The folder.
        path: PathBuf,
        /// A sound file's name.
        first: String,
        /// Another sound file's name.
        second: String,
    },
    /// The header of a table of times is not the expected one.
    #[error("{}: the header is {found:?}, expected \"file,time_s\"; rename the columns", path.display())]
    TimesHeader {
        /// The table.
        path: PathBuf,
        /// Its header line.
        found: String,
    },
    /// A table of times has a header and nothing below it.
    #[error("{}: lists no picture; add a line with name and time for each", path.display())]
    TimesEmpty {
        /// The table.
        path: PathBuf,
    },
    /// A line of a table of times cannot be read.
    #[error("{}, line {line}: {value:?} is not {expected}; correct the line", path.display())]
    TimesValue {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What stands there.
        value: String,
        /// What must stand there.
        expected: &'static str,
    },
    /// A table of times names a picture that is not there.
    #[error("{}, line {line}: there is no picture {file:?} in the folder; correct the line or add the file", path.display())]
    TimesMissingPicture {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The picture's name.
        file: String,
    },
    /// A table of times goes back in time.
    #[error("{}, line {line}: {time_s} s is not after the line before ({previous_s} s); sort the table by time", path.display())]
    TimesOrder {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The time of the line before, in seconds.
        previous_s: f64,
        /// The time of this line, in seconds.
        time_s: f64,
    },

    /// No device has the name.
    #[error("there is no {kind} {wanted:?}; found: {found}; see `mien devices`")]
    DeviceUnknown {
        /// What was looked for.
        kind: DeviceKind,
        /// The id or name given.
        wanted: String,
        /// The devices that there are.
        found: String,
        /// Whether one of them could not be asked what it is: it may be the one.
        unasked: bool,
    },
    /// Several devices have the name.
    #[error("more than one {kind} is called {wanted:?}: {found}; name one by its id")]
    DeviceAmbiguous {
        /// What was looked for.
        kind: DeviceKind,
        /// The name given.
        wanted: String,
        /// The devices of that name.
        found: String,
    },
    /// A device cannot be opened or used.
    #[error("{kind} {device}: cannot {action}: {reason}; {remedy}")]
    Device {
        /// What it is.
        kind: DeviceKind,
        /// Its id, or the name given.
        device: String,
        /// What was attempted, as a verb phrase.
        action: &'static str,
        /// Expected and found, or the system's own words.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A camera's picture cannot be decoded.
    #[error("a {width} x {height} {format} picture from the camera cannot be decoded: {reason}; it is left out")]
    Picture {
        /// The format's name.
        format: &'static str,
        /// Pixels in a row, as the camera was set.
        width: u32,
        /// Rows, as the camera was set.
        height: u32,
        /// What was found.
        reason: String,
    },
}

impl CaptureError {
    /// How a program should react.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::DeviceUnknown { .. } | Self::DeviceAmbiguous { .. } | Self::Device { .. } => ErrorKind::Device,
            Self::TooManyHanging { .. } => ErrorKind::Restart,
            _ => ErrorKind::BadInput,
        }
    }

    /// The same error of a file that people know by another name, as that of standard input.
    #[must_use]
    pub fn renamed(mut self, name: &Path) -> Self {
        if let Some(path) = self.path_mut() {
            *path = name.to_owned();
        }
        self
    }

    /// The path of the file that it is about.
    fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Missing { path }
            | Self::NotAFile { path }
            | Self::Io { path, .. }
            | Self::Empty { path }
            | Self::UnknownFormat { path, .. }
            | Self::UnsupportedCodec { path, .. }
            | Self::Convert { path, .. }
            | Self::SoundTrack { path, .. }
            | Self::NoSuchTrack { path, .. }
            | Self::OverMemory { path, .. }
            | Self::NoAnswer { path, .. }
            | Self::TooManyHanging { path, .. }
            | Self::TooSlow { path, .. }
            | Self::Malformed { path, .. }
            | Self::Truncated { path, .. }
            | Self::Damaged { path, .. }
            | Self::NotFiniteInFile { path, .. }
            | Self::DecoderFault { path, .. }
            | Self::TooLong { path, .. }
            | Self::TooLarge { path, .. }
            | Self::NoMedia { path }
            | Self::NoSamples { path } => Some(path),
            _ => None,
        }
    }
}
