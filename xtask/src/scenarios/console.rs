//! A shell in a container that stays: one command after the other without starting a program for
//! each of them on the way into the pod.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, bail};

/// What ends the output of one command: no answer that is printed here holds it.
const END: u8 = 0x1d;

/// A running shell.
#[derive(Debug)]
pub struct Console {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Console {
    /// Starts the shell with `enter`, to which it is the rest of the command line.
    pub fn open(enter: &mut Command) -> anyhow::Result<Self> {
        let mut child = enter
            .args(["--", "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a shell in a pod")?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("a shell without output")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Runs a command and returns what it printed, whatever its exit code.
    pub fn run<W: AsRef<str>>(&mut self, words: &[W]) -> anyhow::Result<String> {
        let mut line = String::new();
        for word in words {
            line.push_str(&quoted(word.as_ref()));
            line.push(' ');
        }
        // The command must not read what is meant for the shell.
        line.push_str("</dev/null; printf '\\035'\n");
        let input = self.input.as_mut().context("the shell has ended")?;
        input.write_all(line.as_bytes())?;
        input.flush()?;
        let mut printed = Vec::new();
        self.output.read_until(END, &mut printed)?;
        if printed.pop() != Some(END) {
            let mut rest = String::new();
            let _ = self.output.read_to_string(&mut rest);
            bail!("the shell in the pod has ended: {rest}");
        }
        Ok(String::from_utf8_lossy(&printed).into_owned())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // The end of its input ends the shell.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// A word that the shell takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_arrive_as_they_are_and_one_command_after_the_other() {
        let mut console = Console::open(&mut Command::new("env")).expect("a shell");
        let words = ["printf", "%s|", "a b", "it's", "$HOME", "x\ny"];
        assert_eq!(console.run(&words).expect("output"), "a b|it's|$HOME|x\ny|");
        assert_eq!(console.run(&["cat"]).expect("output"), "");
        assert_eq!(console.run(&["false"]).expect("output"), "");
    }
}
