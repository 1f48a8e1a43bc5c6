//! Values of the page Audio: one clip of sound or several of one step.

use std::{fmt, io::Cursor, ops::RangeInclusive, sync::Arc};

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use prost::Message as _;

use super::tensor;
use crate::{
    error::{Error, Result},
    proto::{AudioPluginData, DataClass, audio_plugin_data::Encoding, summary::value::Value},
};

pub(super) const PLUGIN: &str = "audio";
pub(super) const DATA_CLASS: DataClass = DataClass::BlobSequence;

/// Samples per second of one channel that are taken. Chromium plays 3,000 to 768,000.
const RATES: RangeInclusive<u32> = 3_000..=384_000;
/// Channels of a WAV file that are taken: as many as Chromium plays.
const CHANNELS: RangeInclusive<u16> = 1..=8;
/// The most bytes that the clips of one step take. They are one record, and readers refuse long ones: ours those of more
/// than 64 MiB unless told otherwise (`record::Limits`), TensorBoard's messages end at 256 MiB. The rest is for what
/// stands around them.
const MAX_BYTES: usize = (64 << 20) - (64 << 10);

/// Bytes before the samples in the files that are made here.
const HEAD: usize = 44;

/// A clip of sound as a WAV file. Cheap to clone.
///
/// ```
/// use convscope::summary::Audio;
///
/// let tone: Vec<f32> = (0..8000).map(|i| (i as f32 * 440.0 * std::f32::consts::TAU / 8000.0).sin()).collect();
/// let audio = Audio::mono(8000, &tone)?;
/// assert_eq!((audio.sample_rate(), audio.channels(), audio.frames()), (8000, 1, 8000));
/// assert_eq!(Audio::from_wav(audio.wav().to_vec())?, audio);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Audio(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    sample_rate: u32,
    channels: u16,
    frames: u32,
    wav: Vec<u8>,
}

impl Audio {
    /// One channel: `sample_rate` samples per second, from 3,000 to 384,000, each between -1 and 1. They are written in 16
    /// bits. What is beyond -1 and 1 is clipped, as a loudspeaker would, and a warning tells how many samples were.
    ///
    /// # Errors
    /// A rate out of range, no samples, samples that are NaN or infinite, which no file can hold, and more than
    /// 67,043,328 bytes (64 MiB less what stands around them): five minutes in stereo at 48,000 samples per second.
    pub fn mono(sample_rate: u32, samples: &[f32]) -> Result<Audio> {
        Audio::encode(sample_rate, 1, samples)
    }

    /// Two channels: pairs of a left and a right sample; else as [`mono`](Audio::mono).
    ///
    /// # Errors
    /// Those of [`mono`](Audio::mono).
    ///
    /// ```
    /// use convscope::summary::Audio;
    ///
    /// let left_only = Audio::stereo(44_100, &[[0.5, 0.0], [-0.5, 0.0]])?;
    /// assert_eq!((left_only.channels(), left_only.frames()), (2, 2));
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn stereo(sample_rate: u32, samples: &[[f32; 2]]) -> Result<Audio> {
        Audio::encode(sample_rate, 2, samples.as_flattened())
    }

    /// A WAV file, whose bytes are written as they are.
    ///
    /// # Errors
    /// A file that is not a whole WAV of whole numbers or 32-bit floats (PCM), one that holds no sound, more than 8
    /// channels, and a rate or a length out of the range of [`mono`](Audio::mono).
    pub fn from_wav(wav: Vec<u8>) -> Result<Audio> {
        let refused = |why: String| Error::invalid("WAV file", why);
        check_size(wav.len())?;
        let reader =
            WavReader::new(Cursor::new(wav.as_slice())).map_err(|error| refused(error.to_string()))?;
        let WavSpec { channels, sample_rate, .. } = reader.spec();
        let frames = reader.duration();
        check_rate(sample_rate)?;
        if !CHANNELS.contains(&channels) {
            let (least, most) = (CHANNELS.start(), CHANNELS.end());
            return Err(refused(format!("{channels} channels; {least} to {most} can be played")));
        }
        if frames == 0 {
            return Err(refused("it holds no samples".to_owned()));
        }
        // The reader stands behind the length of the data.
        let (head, data) = wav.split_at(reader.into_inner().position() as usize);
        let size = head.last_chunk().map_or(0, |size| u32::from_le_bytes(*size)) as usize;
        if data.len() < size {
            return Err(refused(format!("it ends after {} of {size} bytes of sound", data.len())));
        }
        Ok(Audio(Arc::new(Inner { sample_rate, channels, frames, wav })))
    }

    fn encode(sample_rate: u32, channels: u16, samples: &[f32]) -> Result<Audio> {
        check_rate(sample_rate)?;
        check_samples(samples, channels)?;
        let spec = WavSpec { channels, sample_rate, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut wav = Vec::with_capacity(HEAD + 2 * samples.len());
        write_wav(&mut wav, spec, samples)
            .map_err(|error| Error::invalid("audio", format!("it cannot be written as WAV: {error}")))?;
        let frames = (samples.len() / usize::from(channels)) as u32; // fits: see MAX_BYTES
        Ok(Audio(Arc::new(Inner { sample_rate, channels, frames, wav })))
    }

    /// Samples per second of one channel.
    pub fn sample_rate(&self) -> u32 {
        self.0.sample_rate
    }

    /// 1 mono, 2 stereo; WAV files may have more.
    pub fn channels(&self) -> u16 {
        self.0.channels
    }

    /// Samples of one channel.
    pub fn frames(&self) -> u32 {
        self.0.frames
    }

    /// The WAV file.
    pub fn wav(&self) -> &[u8] {
        &self.0.wav
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        self.0.wav.len()
    }
}

impl fmt::Debug for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { sample_rate, channels, frames, .. } = &*self.0;
        write!(f, "Audio({frames} x {channels} at {sample_rate} Hz)")
    }
}

fn check_rate(rate: u32) -> Result<()> {
    if RATES.contains(&rate) {
        return Ok(());
    }
    let (least, most) = (RATES.start(), RATES.end());
    Err(Error::invalid("audio", format!("{rate} samples per second; {least} to {most} can be played")))
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let why = format!(
        "it takes {bytes} bytes; at most {MAX_BYTES} of one step can be read back: cut it, or lower the sample rate"
    );
    Err(Error::invalid("audio", why))
}

/// Refuses clips of one step that are too long together.
pub(super) fn check_sizes(clips: &[Audio]) -> Result<()> {
    check_size(clips.iter().map(Audio::size).sum())
}

/// Refuses what no file can hold and warns of what is cut.
fn check_samples(samples: &[f32], channels: u16) -> Result<()> {
    if samples.is_empty() {
        return Err(Error::invalid("audio", "it has no samples; a clip takes at least one"));
    }
    check_size(samples.len().saturating_mul(2).saturating_add(HEAD))?;
    if let Some(at) = samples.iter().position(|sample| !sample.is_finite()) {
        let (frame, sample) = (at / usize::from(channels), samples[at]);
        let why = format!(
            "sample {frame} of channel {} is {sample}; it must be a number from -1 to 1",
            at % usize::from(channels)
        );
        return Err(Error::invalid("audio", why));
    }
    let clipped = samples.iter().filter(|sample| sample.abs() > 1.0).count();
    if clipped > 0 {
        tracing::warn!("audio: {clipped} of {} samples are beyond -1 and 1 and were clipped", samples.len());
    }
    Ok(())
}

fn write_wav(out: &mut Vec<u8>, spec: WavSpec, samples: &[f32]) -> hound::Result<()> {
    let mut writer = WavWriter::new(Cursor::new(out), spec)?;
    for sample in samples {
        writer.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16)?;
    }
    writer.finalize()
}

/// What the dashboard reads to know the type of the files.
pub(super) fn content() -> Vec<u8> {
    AudioPluginData { encoding: Encoding::Wav as i32, ..Default::default() }.encode_to_vec()
}

/// The files: TensorBoard shows one player per clip, on one slider of steps.
pub(super) fn encode(clips: &[Audio]) -> Value {
    let files: Vec<Vec<u8>> = clips.iter().map(|clip| clip.wav().to_vec()).collect();
    let shape = [files.len()];
    Value::Tensor(tensor::strings(files, &shape))
}
