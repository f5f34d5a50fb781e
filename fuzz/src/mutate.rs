//! A small mutator for the stable toolchain: seeds, changed at random places. Deterministic: the
//! same seed number gives the same inputs.

/// A generator of pseudo-random numbers (splitmix64: passes through all states, one line of state).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }
}

/// Longest input that is made.
const LONGEST: usize = 64 * 1024;
/// Bytes at which decoders change their mind.
const EDGES: [u8; 12] = [
    0, 1, 9, b'\n', b'\r', b' ', b':', b'0', 0x7f, 0x80, 0xfe, 0xff,
];

/// Makes inputs out of seeds.
#[derive(Debug)]
pub struct Mutator<'a> {
    random: Random,
    seeds: &'a [Vec<u8>],
    words: &'a [&'a str],
}

impl<'a> Mutator<'a> {
    /// Over these seeds and words.
    pub fn new(random: Random, seeds: &'a [Vec<u8>], words: &'a [&'a str]) -> Self {
        Self {
            random,
            seeds,
            words,
        }
    }

    /// The next input.
    pub fn input(&mut self) -> Vec<u8> {
        let mut bytes = self.seed().to_vec();
        // Mostly a few changes: more of them leave nothing that a decoder gets deep into.
        for _ in 0..=self.random.below(6) {
            self.change(&mut bytes);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn seed(&mut self) -> &'a [u8] {
        let at = self.random.below(self.seeds.len());
        self.seeds.get(at).map_or(&[], Vec::as_slice)
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.random.below(bytes.len() + 1);
        let end = (at + 1 + self.random.below(16)).min(bytes.len());
        match self.random.below(9) {
            0 | 1 => {
                let edge = EDGES[self.random.below(EDGES.len())];
                self.overwrite(bytes, at, edge);
            }
            2 => {
                let any = self.random.number() as u8;
                self.overwrite(bytes, at, any);
            }
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => {
                let copy = bytes[at.min(end)..end].to_vec();
                let times = 1 + self.random.below(8);
                bytes.splice(at..at, copy.repeat(times));
            }
            5 | 6 if !self.words.is_empty() => {
                let word = self.words[self.random.below(self.words.len())];
                bytes.splice(at..at, word.bytes());
            }
            7 => {
                let other = self.seed();
                let from = self.random.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << self.random.below(8);
                }
            }
        }
    }

    fn overwrite(&mut self, bytes: &mut Vec<u8>, at: usize, byte: u8) {
        match bytes.get_mut(at) {
            Some(place) => *place = byte,
            None => bytes.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_inputs_and_they_differ_from_the_seeds() {
        let seeds = [b"GET / HTTP/1.1\r\n\r\n".to_vec(), b"0\r\n\r\n".to_vec()];
        let inputs = |number| {
            let mut mutator = Mutator::new(Random::new(number), &seeds, &["\r\n", "Host: a"]);
            (0..2000).map(|_| mutator.input()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
        let changed = inputs(1)
            .iter()
            .filter(|input| !seeds.contains(input))
            .count();
        assert!(changed > 1900, "{changed}");
    }
}
