//! What a target begins with: seeds and words, for either front end.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use crate::Target;

impl Target {
    /// The stored seeds in the order of their names, then those that are made.
    pub fn all_seeds(&self) -> Result<Vec<Vec<u8>>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("seeds")
            .join(self.name);
        let mut files = Vec::new();
        if folder.is_dir() {
            for entry in std::fs::read_dir(&folder).map_err(at(&folder))? {
                files.push(entry.map_err(at(&folder))?.path());
            }
        }
        files.sort();
        let read = |file: &PathBuf| std::fs::read(file).map_err(at(file));
        let mut seeds = files.iter().map(read).collect::<Result<Vec<_>>>()?;
        seeds.extend((self.seeds)());
        Ok(seeds)
    }

    /// The words as libFuzzer reads them: a quoted one per line.
    pub fn dictionary(&self) -> String {
        let mut text = format!("# The words of {}.\n", self.name);
        for word in self.words {
            let bytes = word.bytes().map(|byte| format!("\\x{byte:02x}"));
            text.push_str(&format!("\"{}\"\n", bytes.collect::<String>()));
        }
        text
    }
}

/// Names the file in an error.
fn at(path: &Path) -> impl Fn(Error) -> Error {
    move |error| Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use crate::TARGETS;

    #[test]
    fn every_target_has_seeds_and_a_dictionary_line_for_each_word() {
        for target in TARGETS {
            assert!(!target.all_seeds().expect(target.name).is_empty());
            let lines = target.dictionary().lines().count();
            assert_eq!(lines, 1 + target.words.len(), "{}", target.name);
        }
    }
}
