//! A thousand broken documents: none stops the process, none touches another object, each that is
//! refused says where and what.

use std::collections::BTreeMap;

use ferromesh_config::{Kind, Object, Rejected, parse_all};
use ferromesh_types::ResourceKey;

const SAMPLES: &str = include_str!("samples/mesh.yaml");
const FILE: &str = "mesh.yaml";
const ROUNDS: u64 = 1_000;

/// A small generator with a fixed seed: the same documents on every run and machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("fits")
    }
}

fn documents() -> Vec<&'static str> {
    SAMPLES.split("\n---\n").collect()
}

fn good(parsed: Vec<Result<Object, Rejected>>) -> BTreeMap<ResourceKey, Object> {
    parsed
        .into_iter()
        .flatten()
        .map(|object| (object.key.clone(), object))
        .collect()
}

/// One random change of a document.
fn mutate(text: &str, dice: &mut Dice) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let at = dice.roll(lines.len());
    let mut mutated: Vec<String> = lines.iter().map(ToString::to_string).collect();
    match dice.roll(9) {
        0 => drop(mutated.remove(at)),
        1 => mutated.insert(at, lines[dice.roll(lines.len())].to_owned()),
        2 => mutated[at] = lines[at].replace(": ", ": x"),
        3 => mutated[at] = lines[at].replacen(": ", "x: ", 1),
        4 => mutated[at] = format!(" {}", lines[at]),
        5 => mutated[at] = replace_value(lines[at], dice),
        6 => return text[..boundary(text, dice.roll(text.len()))].to_owned(),
        7 => return with_byte(text, dice),
        _ => mutated[at] = lines[at].replace(['{', '['], "").replace(['}', ']'], ""),
    }
    mutated.join("\n")
}

fn replace_value(line: &str, dice: &mut Dice) -> String {
    const VALUES: [&str; 12] = [
        "-1", "99999", "null", "true", "\"\"", "[]", "{}", "1e400", "*x", "!!int a", "&a [*a]", "'",
    ];
    match line.split_once(": ") {
        Some((key, _)) => format!("{key}: {}", VALUES[dice.roll(VALUES.len())]),
        None => line.to_owned(),
    }
}

fn with_byte(text: &str, dice: &mut Dice) -> String {
    const BYTES: [&str; 10] = [
        "\t", "\u{0}", ":", "\"", "{", "\u{fffd}", "%", "@", "`", "- ",
    ];
    let at = boundary(text, dice.roll(text.len()));
    format!(
        "{}{}{}",
        &text[..at],
        BYTES[dice.roll(BYTES.len())],
        &text[at..]
    )
}

fn boundary(text: &str, at: usize) -> usize {
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[test]
fn the_samples_are_good_and_cover_every_kind() {
    let parsed = parse_all(SAMPLES, FILE);
    let refused: Vec<String> = parsed
        .iter()
        .filter_map(|object| object.as_ref().err())
        .flat_map(|rejected| rejected.problems.iter().map(ToString::to_string))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    let objects = good(parsed);
    for kind in Kind::ALL {
        assert!(
            objects.values().any(|object| object.kind == *kind),
            "no sample of {kind}"
        );
    }
}

#[test]
fn a_broken_document_is_named_and_leaves_the_others_alone() {
    let originals = documents();
    let good_of: BTreeMap<&str, BTreeMap<ResourceKey, Object>> = originals
        .iter()
        .map(|text| (*text, good(parse_all(text, FILE))))
        .collect();
    let mut dice = Dice(0x5eed_0f5a_1e57_0001);
    let mut refused = 0;
    for round in 0..ROUNDS {
        let index = dice.roll(originals.len());
        let mut mutated = mutate(originals[index], &mut dice);
        if dice.roll(3) == 0 && !mutated.is_empty() {
            mutated = mutate(&mutated, &mut dice);
        }
        // Neighbours on both sides show that the broken one takes nobody with it.
        let neighbours = [
            originals[(index + 1) % originals.len()],
            originals[(index + 2) % originals.len()],
        ];
        let text = [neighbours[0], &mutated, neighbours[1]].join("\n---\n");
        let parsed = parse_all(&text, FILE);
        for rejected in parsed.iter().filter_map(|object| object.as_ref().err()) {
            refused += 1;
            for problem in &rejected.problems {
                let origin = problem.origin.as_ref().expect("a place");
                assert_eq!(origin.file, FILE, "round {round}");
                assert!(origin.line > 0, "round {round}: {problem}");
                assert!(!problem.message.is_empty(), "round {round}");
            }
        }
        let now = good(parsed);
        for neighbour in neighbours {
            for (key, object) in &good_of[neighbour] {
                let same = now.get(key).is_some_and(|new| new.same_content(object));
                assert!(same, "round {round}: {key} changed with:\n{mutated}");
            }
        }
    }
    assert!(
        refused > 500,
        "the mutations are too tame: {refused} refused"
    );
}
