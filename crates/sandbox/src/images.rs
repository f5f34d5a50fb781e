//! The image table: which local command stands for an image.
//!
//! Rows are tried in order, the user's (`--image-map`) before the built-in ones. A row's pattern
//! is a glob over the image reference; it is tried against the whole reference (`docker.io/x/y:1`)
//! and against the name without registry, path, tag and digest (`y`).

use serde::Deserialize;

use crate::glob::glob_matches;

/// Where the mesh's own programs appear in every pod.
pub const PROGRAMS_DIR: &str = "/ferromesh/bin";

/// One row: a pattern and the command that stands for matching images.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRow {
    /// Glob over the image reference.
    pub image: String,
    /// The entry point; the container's `command` replaces all of it, as in Kubernetes, unless
    /// `prefix` is set.
    pub command: Vec<String>,
    /// Arguments used when the container has none (an image's `CMD`).
    #[serde(default)]
    pub args: Vec<String>,
    /// Keep `command` before the container's own: for images whose program is a sub-command here.
    #[serde(default)]
    pub prefix: bool,
}

/// The rows in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct ImageTable {
    rows: Vec<ImageRow>,
    proxy_arguments: Vec<String>,
}

/// An image that no row knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "image {0:?} is in no image table: add a row `- {{image: \"{0}\", command: [\"/path/to/program\"]}}` to a \
     file given by --image-map"
)]
pub struct UnknownImage(pub String);

/// A file that is no image table.
#[derive(Debug, thiserror::Error)]
#[error(
    "{file} is no image table: {reason}; write a list of `{{image: GLOB, command: [PROGRAM, …]}}`"
)]
pub struct ImageMapError {
    file: String,
    reason: String,
}

impl ImageTable {
    /// The built-in rows, after the user's; `proxy_arguments` are added wherever the proxy runs
    /// as a data plane (`--data-plane envoy …`).
    pub fn new(user: Vec<ImageRow>, proxy_arguments: Vec<String>) -> Self {
        let mut rows = user;
        rows.extend(built_in_rows());
        Self {
            rows,
            proxy_arguments,
        }
    }

    /// Reads the rows of an `--image-map` file.
    ///
    /// # Errors
    /// When the text is no list of rows.
    pub fn parse_rows(text: &str, file: &str) -> Result<Vec<ImageRow>, ImageMapError> {
        serde_yaml_ng::from_str(text).map_err(|error| ImageMapError {
            file: file.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The argument vector of a container with this `image`, `command` and `args`.
    ///
    /// # Errors
    /// When no row matches.
    pub fn command_line(
        &self,
        image: &str,
        command: &[String],
        args: &[String],
    ) -> Result<Vec<String>, UnknownImage> {
        let name = short_name(image);
        let row = self
            .rows
            .iter()
            .find(|row| glob_matches(&row.image, image) || glob_matches(&row.image, name))
            .ok_or_else(|| UnknownImage(image.to_owned()))?;
        let mut line = Vec::new();
        if command.is_empty() || row.prefix {
            line.extend_from_slice(&row.command);
        }
        line.extend_from_slice(command);
        let defaults = if command.is_empty() {
            row.args.as_slice()
        } else {
            &[]
        };
        line.extend_from_slice(if args.is_empty() { defaults } else { args });
        if runs_data_plane(&line) {
            line.extend_from_slice(&self.proxy_arguments);
        }
        Ok(line)
    }
}

/// Whether `line` starts the proxy, as opposed to one of its tools.
fn runs_data_plane(line: &[String]) -> bool {
    let program = line.first().and_then(|first| first.rsplit('/').next());
    let role = line.get(1).map(String::as_str);
    program == Some("meshproxy") && matches!(role, Some("proxy" | "sidecar" | "router"))
}

/// The last path part of an image reference, without tag and digest.
fn short_name(image: &str) -> &str {
    let path = image.split('@').next().unwrap_or_default();
    let last = path.rsplit('/').next().unwrap_or_default();
    last.split(':').next().unwrap_or_default()
}

fn built_in_rows() -> Vec<ImageRow> {
    let program = |name: &str| format!("{PROGRAMS_DIR}/{name}");
    let row = |image: &str, command: Vec<String>, args: &[&str], prefix: bool| ImageRow {
        image: image.to_owned(),
        command,
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        prefix,
    };
    let mut rows = vec![
        row("meshd", vec![program("meshd")], &["discovery"], false),
        row("pilot", vec![program("meshd")], &["discovery"], false),
        row("meshproxy", vec![program("meshproxy")], &[], false),
        row("proxyv2", vec![program("meshproxy")], &[], false),
        row("*/proxyv2*", vec![program("meshproxy")], &[], false),
    ];
    for (images, subcommand) in SAMPLE_IMAGES {
        for image in *images {
            let command = vec![program("mesh-apps"), (*subcommand).to_owned()];
            rows.push(row(image, command, &[], false));
        }
    }
    for image in [
        "busybox",
        "alpine",
        "alpine-curl",
        "debian",
        "ubuntu",
        "netshoot",
    ] {
        rows.push(row(image, Vec::new(), &["/bin/sh"], false));
    }
    rows.push(row(
        "curl",
        vec!["/usr/bin/curl".into()],
        &["--help"],
        false,
    ));
    rows.push(row(
        "sleep",
        vec!["/bin/sleep".into()],
        &["infinity"],
        false,
    ));
    rows.push(row(
        "pause",
        vec!["/bin/sleep".into()],
        &["infinity"],
        false,
    ));
    rows
}

/// The sample applications: images and the sub-command of `mesh-apps` that stands in for them.
const SAMPLE_IMAGES: &[(&[&str], &str)] = &[
    (&["catalog"], "catalog"),
    (&["webapp"], "webapp"),
    (&["forum"], "forum"),
    (&["fake-service"], "fake-service"),
    (&["httpbin", "go-httpbin"], "httpbin"),
    (&["tcp-echo-server", "tcp-echo"], "tcp-echo"),
    (&["http-echo"], "http-echo"),
    (&["grpc-echo"], "grpc-echo"),
    (&["whoami"], "whoami"),
    (&["ferromesh/echo"], "echo"),
    (
        &[
            "helloworld",
            "examples-helloworld-v1",
            "examples-helloworld-v2",
        ],
        "helloworld",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn table() -> ImageTable {
        ImageTable::new(Vec::new(), words("--data-plane envoy"))
    }

    #[test]
    fn images_are_found_by_their_short_name() {
        for image in [
            "catalog",
            "docker.io/istioinaction/catalog:latest",
            "x/catalog@sha256:0",
        ] {
            let line = table()
                .command_line(image, &[], &[])
                .expect("a built-in image");
            assert_eq!(line, ["/ferromesh/bin/mesh-apps", "catalog"], "{image}");
        }
    }

    #[test]
    fn only_the_data_plane_gets_its_extra_arguments() {
        let proxy = "docker.io/istio/proxyv2:1.30.0";
        let line = table().command_line(proxy, &[], &words("proxy sidecar"));
        let expected = words("/ferromesh/bin/meshproxy proxy sidecar --data-plane envoy");
        assert_eq!(line, Ok(expected));
        let line = table().command_line(proxy, &[], &words("istio-iptables -p 15001"));
        assert_eq!(
            line,
            Ok(words("/ferromesh/bin/meshproxy istio-iptables -p 15001"))
        );
    }

    #[test]
    fn a_command_replaces_the_entry_point_and_its_default_arguments() {
        let line = table().command_line("busybox:1.36", &words("sh -c true"), &[]);
        assert_eq!(line, Ok(words("sh -c true")));
        assert_eq!(
            table().command_line("busybox", &[], &[]),
            Ok(words("/bin/sh"))
        );
    }

    #[test]
    fn the_rows_of_the_user_come_first() {
        let rows = ImageTable::parse_rows(
            "- {image: 'example.com/*', command: [python3, -m, http.server], args: ['80']}\n\
             - {image: catalog, command: [my-catalog]}",
            "map.yaml",
        )
        .expect("a valid table");
        let table = ImageTable::new(rows, Vec::new());
        let line = table.command_line("example.com/a/b:2", &[], &[]);
        assert_eq!(line, Ok(words("python3 -m http.server 80")));
        let line = table.command_line("catalog", &[], &words("--port 1"));
        assert_eq!(line, Ok(words("my-catalog --port 1")));
    }

    #[test]
    fn an_unknown_image_says_how_to_make_it_known() {
        let error = table()
            .command_line("acme/shop:7", &[], &[])
            .expect_err("no such row");
        assert!(error.to_string().contains("--image-map"), "{error}");
    }
}
