//! What every decoder of a stream owes: the verdict on the first bytes does not depend on how they
//! were cut into pieces.

use std::fmt::Debug;

/// Lengths at which an input is cut: all of them for short inputs, else some hundred of them.
pub(crate) fn cuts(length: usize) -> impl Iterator<Item = usize> {
    let step = length.div_ceil(300).max(1);
    (0..length).step_by(step)
}

/// Checks that a verdict, once it is not `undecided`, stays whatever follows.
pub(crate) fn verdict_stays<V: PartialEq + Debug>(
    bytes: &[u8],
    undecided: &V,
    judge: impl Fn(&[u8]) -> V,
) -> V {
    let whole = judge(bytes);
    for cut in cuts(bytes.len()) {
        let verdict = judge(&bytes[..cut]);
        assert!(
            verdict == *undecided || verdict == whole,
            "after {cut} of {} bytes {verdict:?}, then {whole:?}",
            bytes.len()
        );
    }
    whole
}
