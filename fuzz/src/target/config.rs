//! Config documents as users write them.

use ferromesh_config::parse_documents;

use crate::{Target, no_seeds};

pub(crate) const TARGET: Target = Target {
    name: "config",
    about: "any text is objects or problems that say something, the same ones each time",
    run,
    seeds: no_seeds,
    words: &[
        "apiVersion: networking.istio.io/v1\n",
        "kind: VirtualService\n",
        "kind: Gateway\n",
        "kind: DestinationRule\n",
        "kind: ServiceEntry\n",
        "metadata: {name: a, namespace: b}\n",
        "spec:\n",
        "  hosts: [a]\n",
        "  http:\n",
        "---\n",
        "&a ",
        "*a",
        "<<: ",
        "!!binary ",
        "|\n",
        "? ",
        "- ",
        "{",
        "}",
        "'",
        "\"",
        "1e309",
        "0x",
        "~",
        "timeout: ",
        "-1s",
        "\u{feff}",
    ],
};

fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let read = || {
        let parsed = parse_documents(text, "input.yaml");
        let words = parsed.into_iter().map(|each| match each {
            Ok(object) => format!("{object:?}"),
            Err(problem) => {
                let words = problem.to_string();
                assert!(!words.trim().is_empty(), "a problem says what is wrong");
                words
            }
        });
        words.collect::<Vec<_>>()
    };
    assert_eq!(read(), read());
}
