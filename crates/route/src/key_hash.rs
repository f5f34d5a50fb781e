//! The hash functions of consistent hashing, as others compute them: the same key must lead to the
//! same endpoint through every proxy, ours or not.
//!
//! Both are specified by their authors: XXH64 (seed first) and MurmurHash2 64A, of which Envoy uses
//! the seed of the C++ standard library.

const PRIMES: [u64; 5] = [
    0x9E37_79B1_85EB_CA87,
    0xC2B2_AE3D_27D4_EB4F,
    0x1656_67B1_9E37_79F9,
    0x85EB_CA77_C2B2_AE63,
    0x27D4_EB2F_1656_67C5,
];

/// Bytes that XXH64 takes at once.
const STRIPE: usize = 32;

const MURMUR_FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
const MURMUR_SHIFT: u32 = 47;
const MURMUR_SEED: u64 = 0xc70f_6907;

/// XXH64.
pub fn xx_hash(bytes: &[u8], seed: u64) -> u64 {
    let [p1, p2, .., p5] = PRIMES;
    let (stripes, mut rest) = bytes.split_at(bytes.len() / STRIPE * STRIPE);
    let mut hash = if stripes.is_empty() {
        seed.wrapping_add(p5)
    } else {
        let mut lanes = [
            seed.wrapping_add(p1).wrapping_add(p2),
            seed.wrapping_add(p2),
            seed,
            seed.wrapping_sub(p1),
        ];
        for stripe in stripes.chunks_exact(STRIPE) {
            for (lane, word) in lanes.iter_mut().zip(stripe.chunks_exact(8)) {
                *lane = round(*lane, whole(word));
            }
        }
        merged(lanes)
    };
    hash = hash.wrapping_add(bytes.len() as u64);
    while let Some((word, tail)) = rest.split_at_checked(8) {
        hash = (hash ^ round(0, whole(word)))
            .rotate_left(27)
            .wrapping_mul(p1)
            .wrapping_add(PRIMES[3]);
        rest = tail;
    }
    if let Some((half, tail)) = rest.split_at_checked(4) {
        hash = (hash ^ whole(half).wrapping_mul(p1))
            .rotate_left(23)
            .wrapping_mul(p2)
            .wrapping_add(PRIMES[2]);
        rest = tail;
    }
    for byte in rest {
        let mixed = hash ^ u64::from(*byte).wrapping_mul(p5);
        hash = mixed.rotate_left(11).wrapping_mul(p1);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(p2);
    hash = (hash ^ (hash >> 29)).wrapping_mul(PRIMES[2]);
    hash ^ (hash >> 32)
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(PRIMES[1]))
        .rotate_left(31)
        .wrapping_mul(PRIMES[0])
}

fn merged(lanes: [u64; 4]) -> u64 {
    let rotated = lanes.iter().zip([1, 7, 12, 18]);
    let sum = rotated.fold(0_u64, |sum, (lane, by)| {
        sum.wrapping_add(lane.rotate_left(by))
    });
    lanes.iter().fold(sum, |hash, lane| {
        (hash ^ round(0, *lane))
            .wrapping_mul(PRIMES[0])
            .wrapping_add(PRIMES[3])
    })
}

/// MurmurHash2 64A.
pub fn murmur_hash_2(bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.split_at(bytes.len() / 8 * 8);
    let mut hash = MURMUR_SEED ^ (bytes.len() as u64).wrapping_mul(MURMUR_FACTOR);
    for word in words.chunks_exact(8) {
        let mixed = shift_mix(whole(word).wrapping_mul(MURMUR_FACTOR));
        hash = (hash ^ mixed.wrapping_mul(MURMUR_FACTOR)).wrapping_mul(MURMUR_FACTOR);
    }
    if !tail.is_empty() {
        hash = (hash ^ whole(tail)).wrapping_mul(MURMUR_FACTOR);
    }
    shift_mix(shift_mix(hash).wrapping_mul(MURMUR_FACTOR))
}

fn shift_mix(value: u64) -> u64 {
    value ^ (value >> MURMUR_SHIFT)
}

/// At most eight bytes as a number, the first the lowest.
fn whole(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xx_hash_gives_the_values_of_its_specification() {
        assert_eq!(xx_hash(b"", 0), 0xEF46_DB37_51D8_E999);
        assert_eq!(xx_hash(b"a", 0), 0xD24E_C4F1_A98C_6E5B);
        assert_eq!(xx_hash(b"abc", 0), 0x44BC_2CF5_AD77_0999);
        let text = b"Nobody inspects the spammish repetition";
        assert_eq!(xx_hash(text, 0), 0xFBCE_A83C_8A37_8BF1);
    }
}
