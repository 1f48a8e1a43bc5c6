//! The arrangement of the page Custom Scalars.

use std::collections::BTreeSet;

use prost::Message as _;

use super::tensor;
use crate::{
    error::{Error, Result},
    proto::{
        CustomScalarLayout, DataClass,
        custom_scalar_layout::{
            self as wire, MarginChartContent, MultilineChartContent, chart::Content,
            margin_chart_content::Series,
        },
        summary::value::Value,
    },
};

pub(super) const PLUGIN: &str = "custom_scalars";
pub(super) const DATA_CLASS: DataClass = DataClass::Tensor;

/// The tag under which TensorBoard looks for the arrangement of a run.
pub(crate) const TAG: &str = "custom_scalars__config__";

/// What the page Custom Scalars shows: charts of several tags each, in categories.
///
/// TensorBoard joins the layouts of all runs: categories of one title become one, and equal charts are shown once. Of
/// one run the last layout counts. Each chart shows all selected runs. The page cannot draw tags with `(` in them.
///
/// ```
/// use convscope::{SummaryWriter, summary::{Category, Chart, Layout}};
///
/// # let dir = tempfile::tempdir()?;
/// let writer = SummaryWriter::open(dir.path())?;
/// let layout = Layout::new(vec![Category::new(
///     "Training",
///     vec![
///         Chart::tags("both losses", ["loss", "loss/regularization"]),
///         Chart::multiline("all accuracies", [r"accuracy/.*"]),
///         Chart::margin("loss of 5 folds", [("folds/mean", "folds/min", "folds/max")]),
///     ],
/// )])?;
/// writer.add_custom_scalars(&layout)?;
/// writer.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    categories: Vec<Category>,
}

/// A part of the page, with a title to fold it.
#[derive(Debug, Clone, PartialEq)]
pub struct Category {
    title: String,
    charts: Vec<Chart>,
    closed: bool,
}

/// One chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    title: String,
    content: ChartContent,
}

#[derive(Debug, Clone, PartialEq)]
enum ChartContent {
    /// Regular expressions.
    Multiline(Vec<String>),
    Margin(Vec<Margin>),
}

#[derive(Debug, Clone, PartialEq)]
struct Margin {
    value: String,
    lower: String,
    upper: String,
}

impl Layout {
    /// Categories from top to bottom.
    ///
    /// # Errors
    /// No category; a category without title or with that of another, which TensorBoard would mix up; a category
    /// without charts; a chart without title or tags; a tag with `(`; a pattern that cannot be a regular expression.
    ///
    /// ```
    /// use convscope::summary::{Category, Chart, Layout};
    ///
    /// let star = Chart::multiline("losses", ["*loss"]);
    /// let error = Layout::new(vec![Category::new("Training", vec![star])]).unwrap_err();
    /// assert!(error.to_string().contains("`*` has nothing to repeat; write `.*`"));
    /// ```
    pub fn new(categories: Vec<Category>) -> Result<Layout> {
        if categories.is_empty() {
            return Err(Error::invalid("layout", "no category found, at least one expected"));
        }
        let mut titles = BTreeSet::new();
        for category in &categories {
            category.check()?;
            if !titles.insert(&category.title) {
                let what = format!("category `{}` of the layout", category.title);
                return Err(Error::invalid(what, "there are two; give all charts to one of them"));
            }
        }
        Ok(Layout { categories })
    }

    pub(super) fn encode(&self) -> Value {
        let category = self.categories.iter().map(Category::wire).collect();
        let layout = CustomScalarLayout { category, ..Default::default() };
        Value::Tensor(tensor::strings(vec![layout.encode_to_vec()], &[]))
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        let charts = self.categories.iter().flat_map(|category| &category.charts);
        charts
            .map(|chart| {
                let tags = match &chart.content {
                    ChartContent::Multiline(tags) => tags.iter().map(String::len).sum::<usize>(),
                    ChartContent::Margin(series) => {
                        series.iter().map(|s| s.value.len() + s.lower.len() + s.upper.len()).sum()
                    }
                };
                size_of::<Chart>() + chart.title.len() + tags
            })
            .sum()
    }
}

impl Category {
    /// Charts from left to right, then down. The category is open at first.
    pub fn new(title: impl Into<String>, charts: Vec<Chart>) -> Category {
        Category { title: title.into(), charts, closed: false }
    }

    /// Folded at first: its charts load when it is opened.
    #[must_use]
    pub fn closed(mut self) -> Category {
        self.closed = true;
        self
    }

    fn check(&self) -> Result<()> {
        if self.title.is_empty() {
            return Err(Error::invalid(
                "category of the layout",
                "its title is empty; give it one to fold it by",
            ));
        }
        let what = || format!("category `{}` of the layout", self.title);
        if self.charts.is_empty() {
            return Err(Error::invalid(what(), "no chart found, at least one expected"));
        }
        self.charts.iter().try_for_each(|chart| {
            let why = |why: String| Error::invalid(format!("chart `{}` in {}", chart.title, what()), why);
            chart.check().map_err(why)
        })
    }

    fn wire(&self) -> wire::Category {
        wire::Category {
            title: self.title.clone(),
            chart: self.charts.iter().map(Chart::wire).collect(),
            closed: self.closed,
        }
    }
}

impl Chart {
    /// The curves of these tags, and of no others.
    pub fn tags<T: AsRef<str>>(title: impl Into<String>, tags: impl IntoIterator<Item = T>) -> Chart {
        Chart::multiline(title, tags.into_iter().map(|tag| exactly(tag.as_ref())))
    }

    /// The curves of all tags that one of these regular expressions matches from the start of the tag: `loss` matches
    /// `loss` and `loss/train`, `.*loss` matches `train/loss` too. They are Python's.
    pub fn multiline<T: Into<String>>(
        title: impl Into<String>,
        patterns: impl IntoIterator<Item = T>,
    ) -> Chart {
        let patterns = patterns.into_iter().map(Into::into).collect();
        Chart { title: title.into(), content: ChartContent::Multiline(patterns) }
    }

    /// Curves in a band: of each the tag, that of the lower edge, and that of the upper edge. The three must have the
    /// same steps, or TensorBoard shows a message instead.
    pub fn margin<'a>(
        title: impl Into<String>,
        series: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
    ) -> Chart {
        let margin = |(value, lower, upper): (&str, &str, &str)| Margin {
            value: value.to_owned(),
            lower: lower.to_owned(),
            upper: upper.to_owned(),
        };
        let series = series.into_iter().map(margin).collect();
        Chart { title: title.into(), content: ChartContent::Margin(series) }
    }

    fn check(&self) -> Result<(), String> {
        if self.title.is_empty() {
            return Err("its title is empty".to_owned());
        }
        match &self.content {
            ChartContent::Multiline(patterns) if patterns.is_empty() => Err("it shows no tag".to_owned()),
            ChartContent::Multiline(patterns) => patterns.iter().try_for_each(|pattern| {
                check_pattern(pattern).map_err(|why| format!("regular expression `{pattern}`: {why}"))
            }),
            ChartContent::Margin(series) if series.is_empty() => Err("it shows no tag".to_owned()),
            ChartContent::Margin(series) => {
                let tags = series.iter().flat_map(|margin| [&margin.value, &margin.lower, &margin.upper]);
                tags.map(String::as_str).try_for_each(|tag| match tag {
                    "" => Err("a tag is empty; a band has a value, a lower and an upper edge".to_owned()),
                    _ if tag.contains('(') => Err(format!("tag `{tag}`: {PARENTHESIS}")),
                    _ => Ok(()),
                })
            }
        }
    }

    fn wire(&self) -> wire::Chart {
        let content = match &self.content {
            ChartContent::Multiline(tag) => Content::Multiline(MultilineChartContent { tag: tag.clone() }),
            ChartContent::Margin(series) => {
                let series = series.iter().map(|Margin { value, lower, upper }| Series {
                    value: value.clone(),
                    lower: lower.clone(),
                    upper: upper.clone(),
                });
                Content::Margin(MarginChartContent { series: series.collect() })
            }
        };
        wire::Chart { title: self.title.clone(), content: Some(content) }
    }
}

/// A regular expression that matches this tag alone.
fn exactly(tag: &str) -> String {
    let mut pattern = String::with_capacity(tag.len() + 8);
    for c in tag.chars() {
        if ".^$*+?{}[]\\|()".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "$"
}

/// The page looks for the name of the run behind the first `(` of "tag (run)", and stops drawing where it is not there.
const PARENTHESIS: &str = "TensorBoard's page cannot draw tags with `(`; rename it";

/// Finds the slips that make Python refuse a pattern; TensorBoard would show no curve. Not a full parser: what it lets
/// pass may still be refused there.
fn check_pattern(pattern: &str) -> Result<(), &'static str> {
    let (mut open, mut in_class, mut atom) = (0_u32, false, false);
    let mut chars = pattern.chars().peekable();
    if pattern.is_empty() {
        return Err("it is empty; `.*` matches every tag");
    }
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                None => return Err("it ends in a lone `\\`; write `\\\\` for the character"),
                Some('(') if !in_class => return Err(PARENTHESIS),
                Some(_) => atom = true,
            },
            ']' if in_class => (in_class, atom) = (false, true),
            _ if in_class => {}
            '[' => {
                in_class = true;
                // `]` right after the start is a character of the class.
                chars.next_if_eq(&'^');
                chars.next_if_eq(&']');
            }
            '(' => {
                open += 1;
                chars.next_if_eq(&'?'); // not a repetition here
                atom = false;
            }
            ')' => {
                open = open.checked_sub(1).ok_or("`)` closes nothing; write `\\)` for the character")?;
                atom = true;
            }
            '*' | '+' | '?' if !atom => {
                return Err(match c {
                    '*' => "`*` has nothing to repeat; write `.*` for any text",
                    '+' => "`+` has nothing to repeat; write `\\+` for the character",
                    _ => "`?` has nothing to repeat; write `.` for any character",
                });
            }
            '|' | '^' => atom = false,
            _ => atom = true,
        }
    }
    match (in_class, open) {
        (true, _) => Err("`[` is not closed; write `\\[` for the character"),
        (_, 1..) => Err("`(` is not closed"),
        _ => Ok(()),
    }
}
