//! Arrays as they are: the tensor message that event files hold, and values for dashboards that are plugins.

use std::sync::Arc;

use prost::Message as _;

use crate::{
    error::{Error, Result},
    proto::{
        DataClass, DataType, TensorProto, TensorShapeProto, summary::value::Value,
        summary_metadata::PluginData, tensor_shape_proto::Dim,
    },
};

pub(super) const DATA_CLASS: DataClass = DataClass::Tensor;

/// The plugin that [`add_tensor`](crate::SummaryWriter::add_tensor) names: no dashboard of stock TensorBoard's.
pub(crate) const PLUGIN: &str = "tensor";

/// TensorBoard's own pages, with what makes their values: the pages break, or show nothing, where a value has another
/// shape or lies in another storage class than they expect.
const OWN_PAGES: [(&str, &str); 13] = [
    ("audio", "Summary::audio"),
    ("custom_scalars", "Summary::custom_scalars"),
    ("distributions", "Summary::histogram"),
    ("graph_keras_model", "Summary::conceptual_graph"),
    ("graphs", "Summary::graph"),
    ("histograms", "Summary::histogram"),
    ("hparams", "Summary::hparams"),
    ("images", "Summary::image"),
    ("mesh", "Summary::mesh"),
    ("pr_curves", "Summary::pr_curve"),
    ("projector", "Summary::embedding"),
    ("scalars", "Summary::scalar"),
    ("text", "Summary::text"),
];

/// An array of numbers or texts in row-major order, for dashboards that are plugins and for scripts that read the
/// files. Cheap to clone.
///
/// Stock TensorBoard has no page for it. Its loaders keep it whole: `EventAccumulator.Tensors(tag)` and the data
/// providers hand it out as a numpy array.
///
/// ```
/// use convscope::{Summary, summary::Tensor};
///
/// let confusion = Tensor::new(&[2, 2], vec![50_i64, 3, 1, 46])?;
/// assert_eq!(confusion.shape(), [2, 2]);
/// assert_eq!(confusion.values::<i64>(), Some(&[50, 3, 1, 46][..]));
/// let summary = Summary::tensor("my_plugin", b"version 1".to_vec(), confusion)?;
/// assert_eq!(summary.kind(), convscope::Kind::Tensor);
///
/// let error = Tensor::new(&[2, 2], vec![0.5_f32; 3]).unwrap_err();
/// assert_eq!(error.to_string(), "tensor: 3 values for the shape [2, 2], which takes 4");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    values: Values,
}

/// The elements of a [`Tensor`], row by row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Values {
    /// 32-bit floats, `DT_FLOAT`.
    F32(Arc<[f32]>),
    /// 64-bit floats, `DT_DOUBLE`.
    F64(Arc<[f64]>),
    /// 32-bit whole numbers, `DT_INT32`.
    I32(Arc<[i32]>),
    /// 64-bit whole numbers, `DT_INT64`.
    I64(Arc<[i64]>),
    /// Bytes, `DT_UINT8`.
    U8(Arc<[u8]>),
    /// True or false, `DT_BOOL`.
    Bool(Arc<[bool]>),
    /// Texts, `DT_STRING` in UTF-8.
    Strings(Arc<[String]>),
}

/// A type that a [`Tensor`] can hold: `f32`, `f64`, `i32`, `i64`, `u8`, `bool`, `String`.
pub trait TensorElement: Sized + sealed::Sealed {
    /// The values with their type.
    fn wrap(values: Vec<Self>) -> Values;
    /// The values, where they are of this type.
    fn unwrap(values: &Values) -> Option<&[Self]>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! elements {
    ($($type:ty => $variant:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl TensorElement for $type {
            fn wrap(values: Vec<$type>) -> Values {
                Values::$variant(values.into())
            }
            fn unwrap(values: &Values) -> Option<&[$type]> {
                match values {
                    Values::$variant(values) => Some(values),
                    _ => None,
                }
            }
        }
    )*};
}

elements!(f32 => F32, f64 => F64, i32 => I32, i64 => I64, u8 => U8, bool => Bool, String => Strings);

impl Tensor {
    /// Values in row-major order with the sizes of their dimensions, outermost first. No dimension is one value, a
    /// size of 0 none.
    ///
    /// # Errors
    /// A number of values other than the product of the sizes.
    pub fn new<T: TensorElement>(shape: &[usize], values: Vec<T>) -> Result<Tensor> {
        let size = shape.iter().try_fold(1_usize, |size, &dim| size.checked_mul(dim));
        if size != Some(values.len()) {
            let size = size.map_or("more than memory can hold".to_owned(), |size| size.to_string());
            let why = format!("{} values for the shape {shape:?}, which takes {size}", values.len());
            return Err(Error::invalid("tensor", why));
        }
        Ok(Tensor { shape: shape.to_vec(), values: T::wrap(values) })
    }

    /// One value, of no dimension.
    ///
    /// ```
    /// use convscope::summary::Tensor;
    ///
    /// assert_eq!(Tensor::scalar(7_i64).shape(), [0_usize; 0]);
    /// ```
    pub fn scalar<T: TensorElement>(value: T) -> Tensor {
        Tensor { shape: Vec::new(), values: T::wrap(vec![value]) }
    }

    /// Sizes of the dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, where they are of the type `T`.
    pub fn values<T: TensorElement>(&self) -> Option<&[T]> {
        T::unwrap(&self.values)
    }

    /// The values with their type.
    pub fn any_values(&self) -> &Values {
        &self.values
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        let held = match &self.values {
            Values::F32(values) => size_of_val(&**values),
            Values::F64(values) => size_of_val(&**values),
            Values::I32(values) => size_of_val(&**values),
            Values::I64(values) => size_of_val(&**values),
            Values::U8(values) => size_of_val(&**values),
            Values::Bool(values) => size_of_val(&**values),
            Values::Strings(values) => values.iter().map(|text| size_of::<String>() + text.len()).sum(),
        };
        held + size_of_val(&*self.shape)
    }

    pub(super) fn to_proto(&self) -> TensorProto {
        let shape = &self.shape;
        match &self.values {
            Values::F32(values) => numbers(DataType::DtFloat, values.iter().map(|v| v.to_le_bytes()), shape),
            Values::F64(values) => numbers(DataType::DtDouble, values.iter().map(|v| v.to_le_bytes()), shape),
            Values::I32(values) => numbers(DataType::DtInt32, values.iter().map(|v| v.to_le_bytes()), shape),
            Values::I64(values) => numbers(DataType::DtInt64, values.iter().map(|v| v.to_le_bytes()), shape),
            Values::U8(values) => numbers(DataType::DtUint8, values.iter().map(|&v| [v]), shape),
            Values::Bool(values) => numbers(DataType::DtBool, values.iter().map(|&v| [u8::from(v)]), shape),
            Values::Strings(values) => {
                strings(values.iter().map(|text| text.as_bytes().to_vec()).collect(), shape)
            }
        }
    }
}

/// A tensor with the plugin that shows it.
#[derive(Debug, Clone)]
pub(crate) struct PluginTensor {
    pub plugin: String,
    /// What the plugin keeps of the first value of a tag.
    pub content: Vec<u8>,
    pub tensor: Tensor,
}

impl PluginTensor {
    pub(super) fn new(plugin: &str, content: Vec<u8>, tensor: Tensor) -> Result<PluginTensor> {
        let refuse = |why: &str| Err(Error::invalid(format!("plugin `{plugin}` of a tensor"), why));
        if plugin.is_empty() {
            return refuse("it has no name; TensorBoard finds the values of a plugin by it");
        }
        if let Some((_, method)) = OWN_PAGES.iter().find(|(page, _)| *page == plugin) {
            return refuse(&format!("that is a page of TensorBoard's own; make its values with `{method}`"));
        }
        Ok(PluginTensor { plugin: plugin.to_owned(), content, tensor })
    }

    /// What no later value of the tag may change.
    pub(super) fn fixed(&self) -> Vec<u8> {
        PluginData { plugin_name: self.plugin.clone(), content: self.content.clone() }.encode_to_vec()
    }

    pub(super) fn encode(&self) -> Value {
        Value::Tensor(self.tensor.to_proto())
    }

    pub(super) fn size(&self) -> usize {
        self.plugin.len() + self.content.len() + self.tensor.size()
    }
}

/// Byte strings of this shape; a scalar where `shape` is empty.
pub(super) fn strings(values: Vec<Vec<u8>>, shape: &[usize]) -> TensorProto {
    TensorProto {
        dtype: DataType::DtString as i32,
        tensor_shape: Some(dims(shape)),
        string_val: values,
        ..Default::default()
    }
}

/// 64-bit floats of this shape.
pub(super) fn doubles(values: impl IntoIterator<Item = f64>, shape: &[usize]) -> TensorProto {
    numbers(DataType::DtDouble, values.into_iter().map(f64::to_le_bytes), shape)
}

/// Numbers of `N` bytes each, little-endian.
pub(super) fn numbers<const N: usize>(
    dtype: DataType,
    values: impl Iterator<Item = [u8; N]>,
    shape: &[usize],
) -> TensorProto {
    TensorProto {
        dtype: dtype as i32,
        tensor_shape: Some(dims(shape)),
        tensor_content: values.flatten().collect(),
        ..Default::default()
    }
}

fn dims(shape: &[usize]) -> TensorShapeProto {
    let dim = |&size: &usize| Dim { size: size as i64, ..Default::default() };
    TensorShapeProto { dim: shape.iter().map(dim).collect(), ..Default::default() }
}
