//! The linear model that stands for the network near an image, and how far it may be believed.
//!
//! | file | what it holds |
//! |---|---|
//! | `method` | [`LinearApproximation`]: moves an image along directions and compares with the Taylor series |
//! | `derivatives` | first and second derivatives at the image |
//! | `expansion`, `error_curve` | [`Expansion`] and [`ErrorCurve`]: the linear model, and its error over the distance |
//! | `range_of_trust` | [`RangeOfTrust`]: how far the linear model may be believed |
//! | `study` | the picture |

mod derivatives;
mod error_curve;
mod expansion;
mod method;
mod range_of_trust;
mod study;

pub use self::{
    error_curve::ErrorCurve,
    expansion::Expansion,
    method::LinearApproximation,
    range_of_trust::{RangeOfTrust, Reach},
};
