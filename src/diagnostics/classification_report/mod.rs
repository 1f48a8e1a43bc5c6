//! How well a classifier answers, class by class, after a pass over the validation data.
//!
//! | file | what it holds |
//! |---|---|
//! | `callback` | [`ClassificationReport`]: its settings, and when it writes |
//! | `pass` | what is gathered while the batches of a pass go by |
//! | `brightness` | from what a model takes to what a person shall see |
//! | `class_tags` | names of classes as ends of tags; which classes have curves |
//! | `write` | the tags |

mod brightness;
mod callback;
mod class_tags;
mod pass;
mod write;

pub use self::callback::ClassificationReport;
