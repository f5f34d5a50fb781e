//! Random UUIDs, version 4 (RFC 9562 section 5.4), as text.

/// The UUID out of these random bits, of which a few have another meaning.
pub(crate) fn text([high, low]: [u64; 2]) -> [u8; 36] {
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
    let mut text = [b'-'; 36];
    // The places of the sixteen bytes, two digits each.
    const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
    for (byte, place) in bytes.into_iter().zip(PLACES) {
        let [high, low] = [byte >> 4, byte & 15].map(hex_digit);
        text[place] = high;
        text[place + 1] = low;
    }
    text
}

/// Without a table, so that the compiler works on many digits at once.
fn hex_digit(value: u8) -> u8 {
    value + if value < 10 { b'0' } else { b'a' - 10 }
}

/// One that nobody has to guess.
pub(crate) fn random_text() -> String {
    let text = text([fastrand::u64(..), fastrand::u64(..)]);
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_hexadecimal() {
        let digits: Vec<u8> = (0..16).map(hex_digit).collect();
        assert_eq!(digits, b"0123456789abcdef");
    }

    #[test]
    fn version_and_variant_are_set() {
        let all = text([u64::MAX, u64::MAX]);
        assert_eq!(&all, b"ffffffff-ffff-4fff-bfff-ffffffffffff");
        let none = text([0, 0]);
        assert_eq!(&none, b"00000000-0000-4000-8000-000000000000");
        assert_ne!(random_text(), random_text());
    }
}
