//! Values of the page HParams: with which settings a training ran, and how it ended.

use std::{collections::BTreeMap, iter};

use prost::Message as _;

use super::{WallTime, tensor};
use crate::{
    error::{Error, Result},
    proto::{
        DataClass, DataType, HParamsPluginData, SessionEndInfo, SessionStartInfo,
        h_params_plugin_data::Data,
        session_end_info::Status,
        session_start_info::{HyperparameterValue, hyperparameter_value::Kind},
        summary::value::Value,
    },
};

pub(super) const PLUGIN: &str = "hparams";
pub(super) const DATA_CLASS: DataClass = DataClass::Tensor;

/// The tags under which TensorBoard looks for start and end.
pub(crate) const START_TAG: &str = "_hparams_/session_start_info";
pub(crate) const END_TAG: &str = "_hparams_/session_end_info";

/// Whole numbers up to this size are exact in 64-bit floats: 2^53.
const EXACT: u64 = 1 << 53;

/// Hyperparameters of one training: a row of the page HParams, with a column per name.
///
/// They are written into the run itself. TensorBoard makes the table of all runs below the log folder: a column for each
/// name that any run has, and as metrics the last values of the scalars of each run and of the runs below it.
/// Nothing has to be declared, and runs may have different names.
///
/// ```
/// use convscope::{HParams, SessionStatus, SummaryWriter};
///
/// # let dir = tempfile::tempdir()?;
/// let writer = SummaryWriter::open(dir.path().join("baseline"))?;
/// let hparams = HParams::new()
///     .with("optimizer", "adam")
///     .with("learning rate", 1e-3)
///     .with("batch size", 64)
///     .with("augmentation", true);
/// writer.add_hparams(&hparams)?;
/// writer.add_scalar("accuracy", 0.93, 100)?; // a metric
/// writer.finish_hparams(SessionStatus::Success)?;
/// writer.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HParams {
    /// In the order given; a name may be there twice, which is found when they are added.
    values: Vec<(String, HParam)>,
    group: String,
    started: Option<WallTime>,
}

/// Value of a hyperparameter.
///
/// Made from `bool`, `&str`, `String` and numbers. A number that a 64-bit float does not hold exactly, such as a large
/// seed, becomes a text, and so do NaN and infinities, which the page would leave out.
///
/// ```
/// use convscope::HParam;
///
/// assert_eq!(HParam::from(0.1_f32), HParam::Number(0.1));
/// assert_eq!(HParam::from(f64::INFINITY), HParam::Text("inf".to_owned()));
/// assert_eq!(HParam::from(u64::MAX), HParam::Text("18446744073709551615".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum HParam {
    /// A switch: a column with a tick for each of the two values.
    Bool(bool),
    /// A finite number: a column with a range.
    Number(f64),
    /// A choice: a column with a tick for each text.
    Text(String),
}

/// How a training ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionStatus {
    /// It came to its end.
    Success,
    /// It broke off.
    Failure,
}

impl HParams {
    /// Of no hyperparameters yet.
    pub fn new() -> HParams {
        HParams::default()
    }

    /// Adds one.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<HParam>) -> HParams {
        self.values.push((name.into(), value.into()));
        self
    }

    /// Trainings of one group share a row, which shows the means of their metrics: for repetitions that differ in the
    /// seed alone. All of them must have the same hyperparameters. The default is a row for each.
    #[must_use]
    pub fn group(mut self, name: impl Into<String>) -> HParams {
        self.group = name.into();
        self
    }

    /// When the training started. The default is the time when they are added.
    #[must_use]
    pub fn started_at(mut self, time: WallTime) -> HParams {
        self.started = Some(time);
        self
    }

    /// Names and values, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HParam)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn start_info(&self) -> Result<SessionStartInfo> {
        if self.values.is_empty() {
            return Err(Error::invalid("hyperparameters", "none found, at least one expected"));
        }
        let mut hparams = BTreeMap::new();
        for (name, value) in &self.values {
            if name.is_empty() {
                return Err(Error::invalid(
                    "hyperparameters",
                    "a name is empty; the page needs it for the column",
                ));
            }
            if hparams.insert(name.clone(), value.wire()).is_some() {
                return Err(Error::invalid(format!("hyperparameter `{name}`"), "it was given twice"));
            }
        }
        let start_time_secs = self.started.unwrap_or_else(WallTime::now).secs();
        Ok(SessionStartInfo {
            hparams,
            group_name: self.group.clone(),
            start_time_secs,
            ..Default::default()
        })
    }
}

impl<N: Into<String>, V: Into<HParam>> FromIterator<(N, V)> for HParams {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> HParams {
        pairs.into_iter().fold(HParams::new(), |hparams, (name, value)| hparams.with(name, value))
    }
}

impl HParam {
    /// The same value in the file: a number that is not finite as a text.
    fn wire(&self) -> HyperparameterValue {
        let kind = match self {
            HParam::Bool(value) => Kind::BoolValue(*value),
            HParam::Number(value) if value.is_finite() => Kind::NumberValue(*value),
            HParam::Number(value) => Kind::StringValue(value.to_string()),
            HParam::Text(text) => Kind::StringValue(text.clone()),
        };
        HyperparameterValue { kind: Some(kind) }
    }
}

impl From<bool> for HParam {
    fn from(value: bool) -> HParam {
        HParam::Bool(value)
    }
}

impl From<&str> for HParam {
    fn from(text: &str) -> HParam {
        HParam::Text(text.to_owned())
    }
}

impl From<String> for HParam {
    fn from(text: String) -> HParam {
        HParam::Text(text)
    }
}

impl From<f64> for HParam {
    fn from(value: f64) -> HParam {
        if value.is_finite() { HParam::Number(value) } else { HParam::Text(value.to_string()) }
    }
}

/// The number that was meant: 0.1, not 0.10000000149.
impl From<f32> for HParam {
    fn from(value: f32) -> HParam {
        value.to_string().parse::<f64>().unwrap_or(f64::from(value)).into()
    }
}

macro_rules! from_whole_numbers {
    ($($whole:ty)*) => {$(
        impl From<$whole> for HParam {
            fn from(value: $whole) -> HParam {
                let exact = i128::from(value).unsigned_abs() <= u128::from(EXACT);
                if exact { HParam::Number(value as f64) } else { HParam::Text(value.to_string()) }
            }
        }
    )*};
}

from_whole_numbers!(i8 i16 i32 i64 u8 u16 u32 u64);

impl From<usize> for HParam {
    fn from(value: usize) -> HParam {
        HParam::from(value as u64)
    }
}

impl From<isize> for HParam {
    fn from(value: isize) -> HParam {
        HParam::from(value as i64)
    }
}

/// Start or end of a training, as readers keep it of its tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SessionInfo {
    data: Data,
    /// Nobody gave the time of the start.
    starts_now: bool,
}

impl SessionInfo {
    pub(super) fn start(hparams: &HParams) -> Result<SessionInfo> {
        let data = Data::SessionStartInfo(hparams.start_info()?);
        Ok(SessionInfo { data, starts_now: hparams.started.is_none() })
    }

    pub(super) fn end(status: SessionStatus, time: WallTime) -> SessionInfo {
        let status = match status {
            SessionStatus::Success => Status::Success,
            SessionStatus::Failure => Status::Failure,
        };
        let data = Data::SessionEndInfo(SessionEndInfo { status: status.into(), end_time_secs: time.secs() });
        SessionInfo { data, starts_now: false }
    }

    /// The information itself: TensorBoard reads it from the metadata of the tag.
    pub(super) fn content(&self) -> Vec<u8> {
        HParamsPluginData { data: Some(self.data.clone()), ..Default::default() }.encode_to_vec()
    }

    /// The part of it that the user gave: the same again says nothing new, though the clock goes on.
    pub(super) fn fixed(&self) -> Vec<u8> {
        let mut given = self.clone();
        if let Data::SessionStartInfo(info) = &mut given.data
            && self.starts_now
        {
            info.start_time_secs = 0.0;
        }
        given.content()
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        self.content().len()
    }
}

/// No numbers: the shortest value that both readers accept.
pub(super) fn encode() -> Value {
    Value::Tensor(tensor::numbers(DataType::DtFloat, iter::empty::<[u8; 4]>(), &[0]))
}
