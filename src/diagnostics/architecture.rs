//! The callback that describes a model before it is trained.

use tch::{Device, Kind, Tensor};

use crate::{
    arch::{ModelReport, ModelSpec},
    callback::{CONTINUE, Callback, Context, Flow},
    error::{Error, Result},
    render::{GridOptions, make_grid},
    summary::{Image, Step},
    tch_context::TchContext as _,
    writer::SummarySink,
};

/// Writes a [`ModelReport`] when a training starts: graph, table of layers, receptive fields drawn on an image, and
/// advice, into the run itself. It reads the architecture alone: the network and its training do not notice.
///
/// All of it lies on step 0. A training that goes on [after a later step](crate::Session::start_after) writes nothing: it
/// was written when the training began.
///
/// ```
/// use convscope::{arch::ModelSpec, diagnostics::Architecture};
///
/// let spec = ModelSpec::default_model(10)?;
/// let callback = Architecture::new(&spec).object_size([20, 20]);
/// # let _ = callback;
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Architecture {
    spec: ModelSpec,
    object_size: Option<[i64; 2]>,
    probe: Option<Image>,
    layers: Option<Vec<String>>,
}

impl Architecture {
    /// A description of `spec`.
    pub fn new(spec: &ModelSpec) -> Architecture {
        Architecture { spec: spec.clone(), object_size: None, probe: None, layers: None }
    }

    /// Sets the height and width of the objects that are to be told apart, in pixels of the image. Default not known.
    #[must_use]
    pub fn object_size(mut self, size: [i64; 2]) -> Architecture {
        self.object_size = Some(size);
        self
    }

    /// Sets the image on which fields are drawn: shape `[C, H, W]` or `[1, C, H, W]` with 1 or 3 channels and values
    /// from 0 to 1, as a person shall see it. Height and width are those of the model's input. The default is a pattern
    /// of grey tiles.
    ///
    /// # Errors
    /// Other shapes, and a device that cannot be read.
    pub fn probe(mut self, pixels: &Tensor) -> Result<Architecture> {
        self.probe = Some(to_image(pixels)?);
        Ok(self)
    }

    /// Chooses the layers that are drawn. The default is that of [`ModelReport::layers`].
    #[must_use]
    pub fn layers<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Architecture {
        self.layers = Some(names.into_iter().map(Into::into).collect());
        self
    }

    fn report(&self) -> ModelReport<'_> {
        let report = ModelReport::new(&self.spec);
        let report = self.object_size.into_iter().fold(report, ModelReport::object_size);
        let report = self.probe.iter().cloned().fold(report, ModelReport::probe);
        self.layers.iter().fold(report, ModelReport::layers)
    }
}

impl Callback for Architecture {
    fn on_train_start(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        if cx.step() == Step::default() {
            self.report().write(out)?;
        }
        CONTINUE
    }
}

fn to_image(pixels: &Tensor) -> Result<Image> {
    let size = pixels.size();
    let shape = match *size.as_slice() {
        [channels, height, width] | [1, channels, height, width] => [1, channels, height, width],
        _ => {
            return Err(Error::invalid(
                "probe image",
                format!("a tensor of shape {size:?} found; [C, H, W] or [1, C, H, W] expected"),
            ));
        }
    };
    let values = tch::no_grad(|| pixels.f_reshape([-1])?.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu))
        .and_then(|values| Vec::<f32>::try_from(&values))
        .context(|| "probe image: copy to the host".to_owned())?;
    // A grid of one tile is the tile.
    make_grid(&values, shape.map(|side| side as usize), &GridOptions::default())?.to_image()
}
