//! What the values of flags mean, and the checks that need more than the value itself.

use std::{fmt, path::PathBuf, str::FromStr};

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use convscope::{
    Schedule,
    data::{self, Split},
    diagnostics::OnCritical,
    writer::OnError,
};
use tch::{
    Cuda, Device, nn,
    nn::{Optimizer, OptimizerConfig as _},
};

/// `--data`.
#[derive(Debug, Clone, PartialEq)]
pub enum DataSource {
    Bundled,
    Idx(PathBuf),
}

impl FromStr for DataSource {
    type Err = String;

    fn from_str(text: &str) -> Result<DataSource, String> {
        match text.split_once(':') {
            None if text == "bundled" => Ok(DataSource::Bundled),
            Some(("idx", folder)) if !folder.is_empty() => Ok(DataSource::Idx(folder.into())),
            _ => Err("give `bundled`, or `idx:` and a folder, such as idx:data/mnist".to_owned()),
        }
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataSource::Bundled => f.write_str("bundled"),
            DataSource::Idx(folder) => write!(f, "idx:{}", folder.display()),
        }
    }
}

impl DataSource {
    /// The same from any folder.
    pub fn absolute(&self) -> anyhow::Result<DataSource> {
        Ok(match self {
            DataSource::Bundled => DataSource::Bundled,
            DataSource::Idx(folder) => DataSource::Idx(
                std::path::absolute(folder).with_context(|| format!("data folder {}", folder.display()))?,
            ),
        })
    }

    pub fn load(&self) -> anyhow::Result<Split> {
        Ok(match self {
            DataSource::Bundled => data::bundled()?,
            DataSource::Idx(folder) => data::idx(folder)?,
        })
    }
}

/// `1x28x28`.
pub fn shape(dims: &[i64]) -> String {
    dims.iter().map(i64::to_string).collect::<Vec<_>>().join("x")
}

/// `--optimizer`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OptimizerName {
    /// Adam with betas of 0.9 and 0.999
    Adam,
    /// Stochastic gradient descent with a momentum of 0.9
    Sgd,
}

impl OptimizerName {
    pub fn build(self, store: &nn::VarStore, learning_rate: f64) -> anyhow::Result<Optimizer> {
        let optimizer = match self {
            OptimizerName::Adam => nn::Adam::default().build(store, learning_rate),
            OptimizerName::Sgd => nn::Sgd { momentum: 0.9, ..Default::default() }.build(store, learning_rate),
        };
        optimizer.with_context(|| format!("cannot make the optimizer {self}"))
    }
}

impl fmt::Display for OptimizerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptimizerName::Adam => "adam",
            OptimizerName::Sgd => "sgd",
        })
    }
}

/// `--on-write-error`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OnWriteError {
    /// Training ends
    Stop,
    /// Training goes on, with a warning; writing is tried again
    Warn,
}

impl From<OnWriteError> for OnError {
    fn from(choice: OnWriteError) -> OnError {
        match choice {
            OnWriteError::Stop => OnError::Return,
            OnWriteError::Warn => OnError::Warn,
        }
    }
}

/// `--on-critical`.
#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
pub enum OnCriticalName {
    /// It is only said
    Warn,
    /// Training ends, with exit code 1
    Stop,
    /// The learning rate becomes a tenth, where the steps are too large
    LowerLr,
}

impl From<OnCriticalName> for OnCritical {
    fn from(name: OnCriticalName) -> OnCritical {
        match name {
            OnCriticalName::Warn => OnCritical::Warn,
            OnCriticalName::Stop => OnCritical::Stop,
            OnCriticalName::LowerLr => OnCritical::LowerLearningRate(0.1),
        }
    }
}

/// The name of a flag's value, as it is written.
pub fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// `--max-overhead`.
pub fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share >= 0.0 => Ok(share),
        _ => Err("give a number from 0, such as 0.05; inf for no limit".to_owned()),
    }
}

/// `--device`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DeviceName {
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> Result<DeviceName, String> {
        let refuse = || "give `cpu`, `cuda` or `cuda:` and a number, such as cuda:1".to_owned();
        match text.split_once(':') {
            None if text == "cpu" => Ok(DeviceName::Cpu),
            None if text == "cuda" => Ok(DeviceName::Cuda(0)),
            Some(("cuda", number)) => number.parse().map(DeviceName::Cuda).map_err(|_| refuse()),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceName::Cpu => f.write_str("cpu"),
            DeviceName::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl DeviceName {
    /// The device, if this machine and this libtorch have it.
    pub fn find(self) -> anyhow::Result<Device> {
        let DeviceName::Cuda(number) = self else { return Ok(Device::Cpu) };
        ensure!(
            tch::utils::has_cuda(),
            "{self}: this libtorch was built without CUDA, or finds no CUDA driver: let LIBTORCH name a libtorch with \
             CUDA and build again, or use `--device cpu`"
        );
        let count = Cuda::device_count();
        ensure!(
            i64::try_from(number).is_ok_and(|number| number < count),
            "{self}: this machine has {count} CUDA devices, counted from cuda:0; use `--device cpu` or one of them"
        );
        Ok(Device::Cuda(number))
    }
}

/// `--update-freq`.
#[derive(Debug, Clone)]
pub struct UpdateFreq {
    text: String,
    pub schedule: Schedule,
}

impl FromStr for UpdateFreq {
    type Err = convscope::Error;

    fn from_str(text: &str) -> Result<UpdateFreq, convscope::Error> {
        Ok(UpdateFreq { text: text.to_owned(), schedule: text.parse()? })
    }
}

impl fmt::Display for UpdateFreq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `--lr`.
pub fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if f64::is_finite(rate) && rate > 0.0 => Ok(rate),
        _ => Err("give a number above 0, such as 0.001 or 1e-3".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_sources() {
        assert_eq!("bundled".parse(), Ok(DataSource::Bundled));
        assert_eq!("idx:C:\\data".parse(), Ok(DataSource::Idx("C:\\data".into())));
        for bad in ["", "idx", "idx:", "mnist", "bundled:", "csv:x"] {
            assert!(bad.parse::<DataSource>().is_err(), "{bad}");
        }
    }

    #[test]
    fn devices() {
        assert_eq!("cpu".parse(), Ok(DeviceName::Cpu));
        assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(DeviceName::Cuda(3)));
        for bad in ["", "cuda:", "cuda:-1", "cuda:x", "gpu", "cpu:0", "CPU"] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn shares_of_the_time() {
        assert_eq!(share("0.05"), Ok(0.05));
        assert_eq!(share("inf"), Ok(f64::INFINITY));
        for bad in ["-0.1", "nan", "", "5%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn learning_rates() {
        assert_eq!(learning_rate("1e-3"), Ok(0.001));
        for bad in ["0", "-1", "nan", "inf", "", "fast"] {
            assert!(learning_rate(bad).is_err(), "{bad}");
        }
    }
}
