//! Floor 5: tensors by name in safetensors files, read into and written from what a model is made of.
//!
//! Why not [`Tensor::read_safetensors`](tch::Tensor::read_safetensors): it holds a file twice, and its errors name no
//! tensor. Why not [`Tensor::write_safetensors`](tch::Tensor::write_safetensors): it writes no metadata. The format: <https://github.com/huggingface/safetensors#format>.

mod differences;
mod dtype;
mod file;
mod header;
mod load;
mod metadata;
mod save;

pub(crate) use self::{
    load::load,
    metadata::metadata,
    save::{Metadata, save, unfinished},
};
