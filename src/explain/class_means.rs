//! What the channels of a layer answer to each class on average.

use serde_json::{Value, json};
use tch::{Device, Kind, TchError, Tensor};

use super::{
    attribution::{number, numbers},
    classifier::Classifier,
    features::{balanced, device, gather, output, pooled, spatial_layers, to_host},
    report::Report,
    sample::class_name,
    study::{Evidence, Study, Subject},
};
use crate::{
    data::Dataset,
    error::{Error, Result},
    render::{ClassMaps, class_maps},
    summary::layer_tag,
    tch_context::TchContext as _,
};

/// Mean feature maps for each class, of the channels that tell classes apart best: what a channel answers to, and where in
/// the image.
///
/// How well a channel tells classes apart is the correlation ratio of its mean activation over all positions (Fisher 1925):
/// the share of its variance over images that lies between classes, 0 to 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassMeans {
    /// Layers, evenly spread over those that have maps. The default is 3.
    pub layers: usize,
    /// This layer instead.
    pub layer: Option<String>,
    /// Channels of a layer. The default is 10, at most 20.
    pub channels: usize,
    /// Classes. The default is 10, at most 20.
    pub classes: usize,
    /// Images, as many of each class as of every other. The default is 1,000.
    pub images: usize,
}

impl Default for ClassMeans {
    fn default() -> ClassMeans {
        ClassMeans { layers: 3, layer: None, channels: 10, classes: 10, images: 1000 }
    }
}

/// A channel that tells classes apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelectiveChannel {
    /// The channel.
    pub channel: usize,
    /// Its correlation ratio, 0 to 1.
    pub selectivity: f64,
    /// The class with the largest mean activation.
    pub class: i64,
}

/// Mean maps of a layer's most selective channels.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassMeanMaps {
    /// The layer.
    pub layer: String,
    /// Channels that the layer has.
    pub of: usize,
    /// The most selective ones, in the order of the classes that they answer most.
    pub channels: Vec<SelectiveChannel>,
    /// The classes, in their order.
    pub classes: Vec<i64>,
    /// Images of each of them.
    pub images: Vec<usize>,
    /// Rows and columns of a map. Maps of more than 32 rows or columns are averaged over blocks.
    pub size: [usize; 2],
    /// Values, class by class, channel by channel, row by row.
    pub maps: Vec<f32>,
}

/// Longest side of a map.
const SIDE: i64 = 32;
/// What a picture has room for.
const MOST: usize = 20;

impl ClassMeans {
    /// Two passes over a sample of the data that `seed` chooses: one finds the selective channels, the other their maps.
    /// Both keep sums only.
    ///
    /// # Errors
    /// A layer that is not observed, or whose output is not `[N, C, H, W]`; what the model refuses.
    pub fn measure(
        &self,
        classifier: &Classifier<'_>,
        evidence: Evidence<'_>,
        layers: &[String],
        device: Device,
        seed: u64,
    ) -> Result<Vec<ClassMeanMaps>> {
        let data = evidence.images;
        let places = balanced(data, self.images, seed);
        let classes = data.classes().len();
        let mut means: Vec<Means> = layers.iter().map(|_| Means::default()).collect();
        gather(classifier, evidence, (&places, device), |batch| {
            layers.iter().zip(&mut means).try_for_each(|(layer, means)| {
                let output = output(batch.activations, layer)?;
                if output.dim() != 4 {
                    let why =
                        format!("an output of shape {:?} found; maps [N, C, H, W] expected", output.size());
                    return Err(Error::invalid(
                        format!("layer `{layer}`"),
                        format!("{why}: take another layer"),
                    ));
                }
                let features = pooled(output)?;
                means
                    .take(&features, batch.images, classes)
                    .context(|| format!("class means of layer `{layer}`"))
            })
        })?;
        let mut counts = vec![0; classes];
        places.iter().for_each(|&place| counts[data.labels()[place].unsigned_abs() as usize] += 1);
        let mut sums = Vec::new();
        for (layer, means) in layers.iter().zip(means) {
            sums.push(self.choose(layer, &means, &counts)?);
        }
        gather(classifier, evidence, (&places, device), |batch| {
            sums.iter_mut().try_for_each(|sums| {
                let output = output(batch.activations, &sums.layer)?;
                sums.take(output, batch.images).context(|| format!("mean maps of layer `{}`", sums.layer))
            })
        })?;
        sums.into_iter().map(|sums| sums.finish(&counts)).collect()
    }

    /// The channels and classes that are shown.
    fn choose(&self, layer: &str, means: &Means, counts: &[usize]) -> Result<Sums> {
        let mut channels = means.selectivity(counts)?;
        let of = channels.len();
        channels.sort_by(|a, b| b.selectivity.total_cmp(&a.selectivity).then(a.channel.cmp(&b.channel)));
        channels.truncate(self.channels.clamp(1, MOST));
        channels.sort_by_key(|channel| (channel.class, channel.channel));
        let most = self.classes.clamp(1, MOST);
        let mut classes: Vec<i64> = channels.iter().map(|channel| channel.class).collect();
        classes.extend((0..counts.len() as i64).filter(|&class| counts[class as usize] > 0));
        let mut seen = std::collections::BTreeSet::new();
        classes.retain(|class| seen.insert(*class));
        classes.truncate(most);
        classes.sort_unstable();
        Ok(Sums { layer: layer.to_owned(), of, channels, classes, size: [0; 2], maps: None })
    }
}

/// Sums of the channels' means, in double precision on the CPU.
#[derive(Default)]
struct Means {
    /// `[classes, channels]`.
    sums: Option<Tensor>,
    /// `[channels]`.
    squares: Option<Tensor>,
}

impl Means {
    fn take(&mut self, features: &Tensor, images: &Dataset, classes: usize) -> Result<(), TchError> {
        let features = features.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        let options = (Kind::Double, Device::Cpu);
        let sums = match self.sums.take() {
            Some(sums) => sums,
            None => Tensor::f_zeros([classes as i64, features.size()[1]], options)?,
        };
        self.sums = Some(sums.f_index_add(0, &Tensor::f_from_slice(images.labels())?, &features)?);
        let squares = features.f_square()?.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?;
        self.squares = Some(match self.squares.take() {
            Some(known) => known.f_add(&squares)?,
            None => squares,
        });
        Ok(())
    }

    /// Of each channel; 0 where it answers the same to all images.
    fn selectivity(&self, counts: &[usize]) -> Result<Vec<SelectiveChannel>> {
        let (Some(sums), Some(squares)) = (&self.sums, &self.squares) else { return Ok(Vec::new()) };
        let channels = squares.size()[0].unsigned_abs() as usize;
        let host = || -> Result<(Vec<f64>, Vec<f64>), TchError> {
            Ok((Vec::try_from(&sums.f_reshape([-1])?)?, Vec::try_from(squares)?))
        };
        let (sums, squares) = host().context(|| "class means".to_owned())?;
        let images: usize = counts.iter().sum();
        let of = |channel: usize| {
            let sum = |class: usize| sums[class * channels + channel];
            let occurring = || (0..counts.len()).filter(|&class| counts[class] > 0);
            let mean = occurring().map(sum).sum::<f64>() / images as f64;
            let of_class = |class: usize| sum(class) / counts[class] as f64;
            let between: f64 = occurring().map(|c| counts[c] as f64 * (of_class(c) - mean).powi(2)).sum();
            let total = squares[channel] - images as f64 * mean * mean;
            let is_constant = total <= 1e-9 * squares[channel];
            let selectivity = if is_constant { 0.0 } else { (between / total).min(1.0) };
            let best = occurring().max_by(|&a, &b| of_class(a).total_cmp(&of_class(b)).then(b.cmp(&a)));
            // A channel with NaN tells nothing.
            let selectivity = if selectivity.is_finite() { selectivity.max(0.0) } else { 0.0 };
            SelectiveChannel { channel, selectivity, class: best.unwrap_or(0) as i64 }
        };
        Ok((0..channels).map(of).collect())
    }
}

/// Sums of the chosen channels' maps.
struct Sums {
    layer: String,
    of: usize,
    channels: Vec<SelectiveChannel>,
    classes: Vec<i64>,
    size: [usize; 2],
    /// `[classes, channels, H, W]`, in double precision on the CPU.
    maps: Option<Tensor>,
}

impl Sums {
    fn take(&mut self, output: &Tensor, images: &Dataset) -> Result<(), TchError> {
        let position = |label: &i64| self.classes.iter().position(|class| class == label);
        let (rows, places): (Vec<i64>, Vec<i64>) = (images.labels().iter().enumerate())
            .filter_map(|(row, label)| Some((row as i64, position(label)? as i64)))
            .unzip();
        if rows.is_empty() {
            return Ok(());
        }
        let channels: Vec<i64> = self.channels.iter().map(|of| of.channel as i64).collect();
        let index = |indices: &[i64]| Tensor::f_from_slice(indices)?.f_to_device(output.device());
        let maps = output.f_index_select(1, &index(&channels)?)?.f_index_select(0, &index(&rows)?)?;
        let side = maps.size()[2].max(maps.size()[3]);
        let block = (side + SIDE - 1) / SIDE;
        let maps = match block {
            1 => maps,
            _ => maps.f_avg_pool2d([block], [block], [0], true, false, None::<i64>)?,
        };
        let maps = maps.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        let [_, channels, height, width]: [i64; 4] = maps.size().try_into().unwrap_or([0; 4]);
        self.size = [height, width].map(|side| side.unsigned_abs() as usize);
        let known = match self.maps.take() {
            Some(known) => known,
            None => Tensor::f_zeros(
                [self.classes.len() as i64, channels, height, width],
                (Kind::Double, Device::Cpu),
            )?,
        };
        self.maps = Some(known.f_index_add(0, &Tensor::f_from_slice(&places)?, &maps)?);
        Ok(())
    }

    fn finish(self, counts: &[usize]) -> Result<ClassMeanMaps> {
        let Sums { layer, of, channels, classes, size, maps } = self;
        let images: Vec<usize> = classes.iter().map(|&class| counts[class.unsigned_abs() as usize]).collect();
        let mean = || -> Result<Tensor, TchError> {
            let counts: Vec<f64> = images.iter().map(|&count| count as f64).collect();
            let counts = Tensor::f_from_slice(&counts)?.f_reshape([-1, 1, 1, 1])?;
            match &maps {
                Some(maps) => maps.f_div(&counts),
                None => Tensor::f_zeros([0], (Kind::Double, Device::Cpu)),
            }
        };
        let maps = to_host(&mean().context(|| format!("mean maps of layer `{layer}`"))?)?;
        Ok(ClassMeanMaps { layer, of, channels, classes, images, size, maps })
    }
}

const PICTURE: &str = "**Class means**: the mean feature map of a channel (column) over the images of a class (row), all on one \
    scale. Shown are the channels that tell the classes apart best, in the order of the classes that they answer most. The \
    number below a channel's is the share of the variance of its mean activation that lies between classes (correlation \
    ratio, 0 to 1): 1 answers equally to all images of a class, and otherwise to every class; 0 does not know classes.";

impl Study for ClassMeans {
    fn name(&self) -> &'static str {
        "class_means"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        let Some(data) = subject.data else {
            report.skip("no labelled images were given");
            return Ok(());
        };
        let device = device(subject);
        let layers = spatial_layers(subject, device, self.layer.as_deref(), self.layers)?;
        if layers.is_empty() {
            report.skip("no observed layer has feature maps of more than one position");
            return Ok(());
        }
        for found in self.measure(subject.classifier, data, &layers, device, subject.seed)? {
            let names: Vec<String> = found.classes.iter().map(|&c| class_name(subject.classes, c)).collect();
            let channels: Vec<Vec<String>> = (found.channels.iter())
                .map(|of| vec![format!("#{}", of.channel), format!("{:.2}", of.selectivity)])
                .collect();
            let maps =
                ClassMaps { values: &found.maps, size: found.size, classes: &names, channels: &channels };
            let what = format!("class means of {}", found.layer);
            let picture =
                class_maps(&maps, &found.note(data.images.classes().len()), &report.caption(&what))?;
            report.picture(&layer_tag(&found.layer), picture, PICTURE)?;
            report.values(&found.layer, || found.to_json());
        }
        Ok(())
    }
}

impl ClassMeanMaps {
    fn note(&self, classes: usize) -> String {
        let [fewest, most] =
            [self.images.iter().min(), self.images.iter().max()].map(|n| n.copied().unwrap_or(0));
        let images = if fewest == most { fewest.to_string() } else { format!("{fewest} to {most}") };
        let shown = if self.classes.len() < classes {
            format!("; {} of {classes} classes, those that a channel answers most first", self.classes.len())
        } else {
            String::new()
        };
        format!(
            "mean map over {images} images of each class, maps of {} x {}; the {} of {} channels that tell classes apart \
             best, below each number how well (0 to 1){shown}",
            self.size[0],
            self.size[1],
            self.channels.len(),
            self.of
        )
    }

    /// Channels, classes and maps.
    pub fn to_json(&self) -> Value {
        let channel = |of: &SelectiveChannel| json!({ "channel": of.channel, "selectivity": number(of.selectivity), "class": of.class });
        json!({
            "channels": self.channels.iter().map(channel).collect::<Vec<_>>(),
            "classes": self.classes,
            "images": self.images,
            "shape": [self.classes.len(), self.channels.len(), self.size[0], self.size[1]],
            "maps": numbers(&self.maps),
        })
    }
}
