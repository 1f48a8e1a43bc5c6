//! Names of kinds in safetensors files.

use tch::Kind;

/// The kind that `name` means, where libtorch has it.
pub(super) fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "BOOL" => Kind::Bool,
        "U8" => Kind::Uint8,
        "I8" => Kind::Int8,
        "I16" => Kind::Int16,
        "I32" => Kind::Int,
        "I64" => Kind::Int64,
        "F16" => Kind::Half,
        "BF16" => Kind::BFloat16,
        "F32" => Kind::Float,
        "F64" => Kind::Double,
        _ => return None,
    })
}

/// Whether values of one kind can stand for those of the other. Numbers with a fraction convert among each other, to the
/// nearest value; where integers stand in place of weights, something is wrong.
pub(super) fn converts(from: Kind, to: Kind) -> bool {
    let has_fraction = |kind| matches!(kind, Kind::Half | Kind::BFloat16 | Kind::Float | Kind::Double);
    from == to || (has_fraction(from) && has_fraction(to))
}
