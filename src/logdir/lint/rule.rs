//! What can be wrong with a log.

use std::fmt;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Harmless as it is, good to know.
    Note,
    /// Everything is shown, but not as it was meant, or not by both of TensorBoard's loaders.
    Warning,
    /// Values are lost, or TensorBoard cannot show them.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// Declares the rules with their names, usual severities and advice.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident $name:literal $severity:ident $advice:literal;)*) => {
        /// What can be wrong. "The data server" is TensorBoard's default loader, "the Python loader" is the one of
        /// `--load_fast=false`, of Windows and of remote folders.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &[Rule] = &[$(Rule::$rule,)*];

            /// The name, such as `data-checksum`.
            pub fn name(self) -> &'static str {
                match self { $(Rule::$rule => $name,)* }
            }

            /// How bad it usually is; a [`Finding`](super::Finding) says how bad it is in its place.
            pub fn severity(self) -> Severity {
                match self { $(Rule::$rule => Severity::$severity,)* }
            }

            /// What to do.
            pub fn advice(self) -> &'static str {
                match self { $(Rule::$rule => $advice,)* }
            }
        }
    };
}

rules! {
    /// A file or folder that cannot be read.
    Unreadable "unreadable" Error
        "mend the permissions or the device and look again";
    /// Something that is left out, since there is more of it than any honest log has.
    NotLookedAt "not-looked-at" Warning
        "look at a part of the log folder, or ask its writer";
    /// A folder with `tfevents` in its name: the Python loader takes it for a file, and shows no run at all.
    FolderNamedTfevents "folder-named-tfevents" Error
        "rename the folder";
    /// A file `*.profile-empty` with values: the Python loader skips it.
    ProfileEmpty "profile-empty" Warning
        "rename the file";
    /// The length of a record is damaged: both loaders stop there.
    LengthChecksum "length-checksum" Error
        "`convscope logs repair` finds the records after it";
    /// The data of a record is damaged: the data server shows what it can, the Python loader stops there.
    DataChecksum "data-checksum" Error
        "`convscope logs repair` leaves the record out";
    /// The file ends inside a record.
    TornTail "torn-tail" Warning
        "nothing, while the file is being written; else `convscope logs repair` cuts it off";
    /// A sound record that holds no event: the data server gives up the file, the Python loader fails.
    NotAnEvent "not-an-event" Error
        "`convscope logs repair` leaves the record out";
    /// A record that is too long to be carried or kept in memory.
    OversizeRecord "oversize-record" Error
        "log smaller values: fewer samples, coarser meshes, shorter sounds";
    /// The values of a tag that TensorBoard keeps are more than one message of the data server can carry.
    OversizeSeries "oversize-series" Warning
        "log the tag at fewer steps, or smaller values; or start TensorBoard with a smaller --samples_per_plugin";

    /// The first event is no file version: the Python loader then takes each step backwards for a restart.
    MissingFileVersion "missing-file-version" Warning
        "`convscope logs repair` puts one first";
    /// A file version after the first event: the Python loader changes its rules in the middle.
    LateFileVersion "late-file-version" Warning
        "do not join files end to end: `convscope logs merge` joins them";
    /// A file version other than `brain.Event:2`.
    UnknownFileVersion "unknown-file-version" Warning
        "write `brain.Event:2`";
    /// Source metadata after the first event, or a writer's name of more than 128 characters.
    SourceMetadata "source-metadata" Warning
        "name the writer in the first event only, in 128 characters at most";
    /// A wall time that is NaN or infinite: the data server gives up the file or drops the event.
    WallTimeNotFinite "wall-time-not-finite" Error
        "`convscope logs repair` puts the time of the event before in its place";
    /// A wall time before 1971, which drags the start of the run there.
    WallTime1970 "wall-time-1970" Warning
        "write the seconds since 1970 of a clock that is set";

    /// A file with values and no start of a session before them: a restart cannot be told from it.
    MissingStart "missing-start" Warning
        "begin each file with a SessionLog START; `convscope logs merge` makes one clean run of several files";
    /// A file whose name sorts before that of an older one: values are read in the wrong order.
    FileOrder "file-order" Warning
        "rename the files, so that their names sort by time, or use `convscope logs merge`";
    /// Two files of a run written at the same time: the Python loader never comes back to the earlier one.
    SeveralLiveFiles "several-live-files" Warning
        "give each writer a run of its own, start TensorBoard with --reload_multifile=true, or use `convscope logs merge`";
    /// A restart that the Python loader cannot see: it shows the old values and the new ones.
    OverlaidRestart "overlaid-restart" Warning
        "resume with `SummaryWriter::resume`, or use `convscope logs merge`";
    /// Values from before a restart that were not logged again: the data server shows them, the Python loader does not.
    StaleTail "stale-tail" Warning
        "resume with `SummaryWriter::resume`, or use `convscope logs merge`";
    /// A step smaller than the one before: the data server drops the values from that step on.
    StepsOutOfOrder "steps-out-of-order" Warning
        "let the steps of a tag increase; `convscope logs merge --overlap all` sorts what is there";
    /// Several values of one tag at one step: the data server shows the last one only.
    StepTwice "step-twice" Warning
        "give each value its own step, or its own tag";
    /// More values of a tag than the loaders keep by default: some are not shown.
    MoreThanKept "more-than-kept" Note
        "start TensorBoard with the option that is named; or log at fewer steps";

    /// A value without a tag.
    EmptyTag "empty-tag" Error
        "give the time series a name";
    /// Values of two kinds under one tag: the data server drops the second kind, the Python loader fails.
    KindConflict "kind-conflict" Error
        "use one tag for each kind";
    /// A tensor whose tag names no plugin: no page shows it.
    MissingMetadata "missing-metadata" Error
        "send metadata with the plugin's name with the first value of a tag";
    /// Metadata that comes after the tag's first value: it is ignored.
    LateMetadata "late-metadata" Warning
        "send metadata with the first value of a tag";
    /// Metadata that says something else than the tag's first: it is ignored.
    ChangedMetadata "changed-metadata" Warning
        "use another tag, or another run";
    /// Metadata in an earlier file only: the Python loader looks for it in each file.
    MetadataMissingInFile "metadata-missing-in-file" Warning
        "send metadata again with the first value of a tag in each file";
    /// Metadata without a data class.
    MissingDataClass "missing-data-class" Error
        "set `data_class`: 1 scalar, 2 tensor, 3 blob sequence";
    /// A data class other than that of the plugin.
    WrongDataClass "wrong-data-class" Error
        "set `data_class` to the one that the plugin reads";
    /// A value with a tag and nothing else.
    NoValue "no-value" Warning
        "leave such values out";

    /// A tensor whose elements are more or fewer than its shape says.
    TensorSize "tensor-size" Error
        "write as many elements as the shape has";
    /// A scalar of 64 bits, or of whole numbers: the data server shows none of them.
    ScalarType "scalar-type" Error
        "write scalars as 32-bit floats";
    /// A scalar that is no single number.
    ScalarShape "scalar-shape" Error
        "write scalars as tensors of rank 0";
    /// A histogram that is no table of left edge, right edge and count.
    HistogramShape "histogram-shape" Error
        "write 64-bit floats of shape [k, 3]";
    /// Edges of a histogram that are not finite: they break the plot.
    HistogramNotFinite "histogram-not-finite" Error
        "leave NaN and infinities out of histograms, and log their number";
    /// A histogram in the old form whose first bucket ends before the smallest value: the data server shows its edges the
    /// wrong way round. PyTorch writes all histograms so.
    HistogramLeadingEmpty "histogram-leading-empty" Note
        "write histograms as tensors, or leave empty buckets at the ends out";
    /// Edges of a histogram that do not increase.
    HistogramUnsorted "histogram-unsorted" Error
        "sort the buckets; they must not overlap";
    /// Counts of a histogram that are negative or not finite.
    HistogramCount "histogram-count" Error
        "write counts of 0 and more";
    /// A picture value that is no list of width, height and files.
    ImageShape "image-shape" Error
        "write strings of shape [n + 2]: width, height, then the files";
    /// Width or height that is no number, or not that of the file.
    ImageSize "image-size" Warning
        "write width and height as decimal digits, those of the first picture";
    /// A picture value without any picture.
    ImageEmpty "image-empty" Warning
        "leave steps without pictures out";
    /// A picture that is no PNG, JPEG, GIF or BMP: browsers are told not to guess what it is.
    ImageType "image-type" Warning
        "write PNG, JPEG or GIF files";
    /// A sound value that is no list of files.
    AudioShape "audio-shape" Error
        "write strings of shape [clips] or [clips, 2]";
    /// A sound that is no WAV file.
    AudioType "audio-type" Warning
        "write WAV files";
    /// A text value that is no text.
    TextType "text-type" Error
        "write strings in UTF-8";
    /// A table of text with more than two dimensions: only its first rows are shown.
    TextRank "text-rank" Warning
        "write one string, a row or a table";
    /// A precision-recall curve of the wrong shape.
    PrCurveShape "pr-curve-shape" Error
        "write 32-bit floats of shape [6, number of thresholds]";
    /// A mesh part of the wrong shape or type.
    MeshShape "mesh-shape" Error
        "write [batch, n, 3]: vertices as 32-bit floats, faces as 32-bit integers, colours as bytes";
    /// Faces or colours without vertices.
    MeshWithoutVertices "mesh-without-vertices" Warning
        "write the vertices of the mesh, too";
    /// A face of a vertex that is not there.
    MeshFace "mesh-face" Error
        "number vertices from 0, within the mesh";
    /// A layout of custom scalars that cannot be read, or under a tag that is not looked at.
    CustomScalarsLayout "custom-scalars-layout" Error
        "write a `Layout` as one string under the tag `custom_scalars__config__`";
    /// Hyperparameters that cannot be read.
    HparamsContent "hparams-content" Error
        "write `HParamsPluginData` as the content of the metadata";
    /// Several runs with an `Experiment`: TensorBoard takes one of them, and hides the columns of the others.
    HparamsExperiment "hparams-experiment" Warning
        "write no `Experiment`, or one in the log folder itself";
    /// A graph that cannot be read.
    GraphContent "graph-content" Error
        "write a serialized `GraphDef`";
    /// A graph without nodes: TensorBoard says that it is empty.
    GraphEmpty "graph-empty" Error
        "leave empty graphs out";
    /// A node by the name of a group, such as `a` beside `a/b`: TensorBoard calls it `a/(a)`.
    GraphNodeRenamed "graph-node-renamed" Note
        "give nodes and groups different names";
    /// A node that is its own input: TensorBoard draws no line there.
    GraphSelfLoop "graph-self-loop" Note
        "nothing, if it is meant so";
    /// Several graphs in one run: only the last is shown.
    GraphTwice "graph-twice" Warning
        "give each graph a run of its own";
    /// A projector configuration that is no text, or too long: the page fails for all runs.
    ProjectorConfig "projector-config" Error
        "write the configuration again";
    /// A projector configuration in a folder without an event file: the page does not find it.
    ProjectorWithoutRun "projector-without-run" Warning
        "write an event file beside it, an empty run will do; or put it into the log folder itself";
    /// Binary points that are all zero: TensorBoard takes them for text, and the page fails for all runs.
    ProjectorZeros "projector-zeros" Error
        "write the points as tab-separated values";
    /// A picture of sprites that is wider or higher than browsers take.
    ProjectorSprite "projector-sprite" Warning
        "keep the picture within 8192 x 8192: fewer or smaller sprites";
    /// A projector configuration that names a file that is not there, or not below its own folder.
    ProjectorAsset "projector-asset" Error
        "put the files below the folder of projector_config.pbtxt, and name them by relative paths";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
