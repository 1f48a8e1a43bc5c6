//! Max pooling backward: which inputs get a gradient.

mod counts;
mod route;
mod study;

pub use self::{
    counts::RoutingCounts,
    route::{MaxPoolRouting, max_pool_routing},
    study::MaxPoolSwitchStudy,
};
