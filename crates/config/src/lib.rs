//! The resource kinds: typed specs, parsing, validation, analysis.
