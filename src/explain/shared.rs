//! What studies of one report leave for those that follow.

use super::{
    attribution::{Attribution, Sign},
    deletion::DeletionCurves,
    linear_approximation::RangeOfTrust,
    sample::Case,
    study::Subject,
    trust::Trust,
};
use crate::{
    error::Result,
    render::{AttributionScale, TrustBadge},
};

/// Found once for an image, used by several studies.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Maps, in the order in which they were found.
    pub maps: Vec<Found>,
    /// Curves of random orders, by settings, image and class.
    random_orders: Vec<(Trust, String, i64, DeletionCurves)>,
    /// How far the model is linear, by image and class.
    ranges: Vec<(String, i64, RangeOfTrust)>,
}

/// The map of a method for an image.
#[derive(Debug)]
pub(super) struct Found {
    /// The method.
    pub method: &'static str,
    /// The image's name.
    pub sample: String,
    /// One number a pixel, row by row.
    pub map: Vec<f32>,
    /// Height and width of the map.
    pub size: [usize; 2],
    pub sign: Sign,
    pub badge: Option<TrustBadge>,
}

impl Shared {
    /// Deletion and insertion in random orders, which do not depend on the method.
    pub fn random_orders(
        &mut self,
        trust: &Trust,
        subject: &Subject<'_>,
        case: &Case<'_>,
    ) -> Result<DeletionCurves> {
        let name = &case.sample.name;
        let known = |(of, sample, class, _): &&(Trust, String, i64, _)| {
            of == trust && sample == name && *class == case.class
        };
        if let Some((.., curves)) = self.random_orders.iter().find(known) {
            return Ok(curves.clone());
        }
        let curves = trust.random_orders(subject, case)?;
        self.random_orders.push((trust.clone(), name.clone(), case.class, curves.clone()));
        Ok(curves)
    }

    /// How far the model is linear at an image, which does not depend on the method either.
    pub fn range(&mut self, subject: &Subject<'_>, case: &Case<'_>) -> Result<RangeOfTrust> {
        let name = &case.sample.name;
        let known = |(sample, class, _): &&(String, i64, _)| sample == name && *class == case.class;
        if let Some((.., range)) = self.ranges.iter().find(known) {
            return Ok(*range);
        }
        let range = Trust::range(subject, case)?;
        self.ranges.push((name.clone(), case.class, range));
        Ok(range)
    }
}

impl Found {
    pub fn new(attribution: &Attribution, case: &Case<'_>, badge: Option<TrustBadge>) -> Found {
        let [_, height, width] = attribution.shape;
        Found {
            method: attribution.method,
            sample: case.sample.name.clone(),
            map: attribution.map(),
            size: [height, width],
            sign: attribution.sign,
            badge,
        }
    }
}

impl Sign {
    /// The colours for it.
    pub(super) fn scale(self) -> AttributionScale {
        match self {
            Sign::Signed => AttributionScale::Signed,
            Sign::Reversed => AttributionScale::Reversed,
            Sign::Magnitude => AttributionScale::Magnitude,
        }
    }
}
