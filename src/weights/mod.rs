//! Floor 5: tensors by name in safetensors files, read into and written from what a model is made of.
//!
//! Why not [`Tensor::read_safetensors`](tch::Tensor::read_safetensors): it holds a file twice, and its errors name no
//! tensor. The format: <https://github.com/huggingface/safetensors#format>.

mod differences;
mod dtype;
mod file;
mod header;
mod load;
mod save;

pub(crate) use self::{
    load::load,
    save::{save, unfinished},
};
