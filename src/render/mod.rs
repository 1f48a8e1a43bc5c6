//! Floor 1: pure pixels. Filters, feature maps and probe images as pictures that a stranger can read on a card of
//! TensorBoard: opaque, with layer, step, legend and the scale that was chosen.
//!
//! | file | what it holds |
//! |---|---|
//! | `filters`, `feature_maps`, `probe_images` | one picture each: numbers in, [`Image`](crate::Image) out |
//! | `effective_field`, `growth` | how much each pixel moves a unit; how fields grow while training |
//! | `attribution`, `attribution_map` | image, map and overlay side by side, with what a reader must know; the map's colours |
//! | `attribution_gallery` | many methods on many images, on one page |
//! | `trust_badge` | [`TrustBadge`]: how far to believe a map, in words and a colour |
//! | `linear_approximation` | [`taylor_errors`]: how the error of a Taylor series grows with the distance |
//! | `line_plot`, `plot_axis`, `plot_drawing` | [`line_plot`]: curves of any two numbers |
//! | `routing` | which inputs of a max pooling win, and where the gradient goes |
//! | `noise`, `surviving` | dropout: feature maps with noise on them; which weights learn all the same |
//! | `equation` | matrices with their entries, side by side |
//! | `ranked_bars` | [`ranked_bars`]: numbers of named things, with their confidence |
//! | `class_weights` | weights of a linear model, as images and as a matrix |
//! | `boxes` | labelled boxes on a picture |
//! | `receptive_field`, `field_overview`, `taps` | what units see of an image, layer by layer; where a dilated kernel touches it |
//! | `confusion`, `confusion_classes`, `reliability`, `mistakes` | how well a classifier answers |
//! | `captioned_tiles` | images with words below them |
//! | `class_maps`, `layer_curve` | what channels answer to each class; a share for each layer |
//! | `grid` | [`make_grid`]: bare tiles in torchvision's layout |
//! | `normalize`, `colormap` | from a value to `0..=1`, from there to a colour |
//! | `caption`, `legend`, `page` | what stands around the tiles |
//! | `scene`, `outline`, `key` | an image with what lies around it, a box on it, and what the marks mean |
//! | `layer_field` | the numbers of a receptive field |
//! | `layout`, `tile` | where the tiles go, and how one is drawn |
//! | `heat_map`, `dashboard` | numbers of layers over the steps; all numbers of the layers at one moment |
//! | `layer_scale` | [`LayerScale`]: what both draw a number as |
//! | `spread` | which of many layers are shown |
//! | `canvas`, `text` | pixels and letters |

mod attribution;
mod attribution_gallery;
mod attribution_map;
mod boxes;
mod canvas;
mod caption;
mod captioned_tiles;
mod class_maps;
mod class_weights;
mod colormap;
mod confusion;
mod confusion_classes;
mod dashboard;
mod effective_field;
mod equation;
mod feature_maps;
mod field_overview;
mod filters;
mod grid;
mod growth;
mod heat_map;
mod key;
mod layer_curve;
mod layer_field;
mod layer_scale;
mod layout;
mod legend;
mod line_plot;
mod linear_approximation;
mod mistakes;
mod noise;
mod normalize;
mod outline;
mod page;
mod plot_axis;
mod plot_drawing;
mod probe_images;
mod ranked_bars;
mod receptive_field;
mod reliability;
mod routing;
mod scene;
mod shape;
mod spread;
mod surviving;
mod taps;
mod text;
mod tile;
mod trust_badge;

pub use self::{
    attribution::{AttributionCard, attribution},
    attribution_gallery::{GalleryImage, GalleryMap, attribution_gallery},
    attribution_map::{AttributionMap, AttributionScale},
    boxes::{BoundingBox, BoxColor, draw_boxes},
    caption::Caption,
    captioned_tiles::{CaptionedTile, TileFrame, captioned_tiles},
    class_maps::{ClassMaps, class_maps},
    class_weights::{class_weights, weight_matrix},
    colormap::ColorMap,
    confusion::{ConfusionCells, ConfusionScale, confusion_matrix},
    dashboard::{Dashboard, DashboardColumn, DashboardRow, Flag, FlagColor, dashboard},
    effective_field::effective_field,
    equation::{Block, Cell, Equation, Part, Tone, equation},
    feature_maps::{FeatureMapOptions, feature_maps},
    field_overview::receptive_fields,
    filters::{FilterOptions, filters},
    grid::{Grid, GridOptions, make_grid},
    growth::{GrowthCurve, growth},
    heat_map::{HeatMap, MOST_COLUMNS, heat_map},
    layer_curve::{LayerShare, ReferenceShare, layer_curve},
    layer_field::{LayerField, UnitField},
    layer_scale::LayerScale,
    line_plot::{Curve, CurveMarks, LinePlot, ReferenceLine, line_plot},
    linear_approximation::{TaylorErrors, taylor_errors},
    mistakes::{WrongAnswer, mistakes},
    noise::{NoisyMaps, dropout_noise},
    normalize::{Normalization, to_byte},
    plot_axis::{AxisScale, PlotAxis},
    probe_images::probe_images,
    ranked_bars::{RankedBar, ranked_bars},
    receptive_field::receptive_field,
    reliability::{ReliabilityBin, reliability},
    routing::{RoutedChannel, Routing, Switch, WindowKind, max_pool_routing},
    surviving::{WeightPanel, WeightState, surviving_weights},
    taps::{Taps, taps},
    trust_badge::{TrustBadge, TrustLevel},
};

#[cfg(feature = "tch")]
pub(crate) use self::{heat_map::mean_of_measured, ranked_bars::MOST_BARS};
pub(crate) use self::{
    spread::spread,
    text::{number, wrap},
};
