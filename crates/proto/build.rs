//! Turns descriptors and `.proto` files into what the crate embeds.
//!
//! In: the descriptor set that the package `envoy-types` ships beside its `.proto` files, and our
//! own files under `proto/`, compiled here. Out, in `OUT_DIR`: `descriptors.bin` (all file
//! descriptors one after the other), `descriptor_index.rs` (where each file and message is), and
//! Rust types for our own files.
//!
//! The shipped set saves compiling 507 files, of which a pure Rust compiler refuses some: it looks
//! relative names up in everything that is imported transitively, Envoy's files expect less.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use cargo_metadata::MetadataCommand;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorProto, FileDescriptorSet};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Import path to descriptor.
type Files = BTreeMap<String, FileDescriptorProto>;

/// Where `envoy-types` keeps the descriptors of everything it has generated types for.
const ENVOY_DESCRIPTORS: &str = "src/generated/types.bin";

fn main() -> Outcome<()> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let shipped = envoy_types_folder()?.join(ENVOY_DESCRIPTORS);
    println!("cargo::rerun-if-changed={}", shipped.display());
    let mut files = Files::new();
    add(
        &mut files,
        FileDescriptorSet::decode(fs::read(shipped)?.as_slice())?,
    );

    let own = Path::new("proto");
    let own_names = proto_files(own)?;
    let mut compiler = protox::Compiler::new([own])?;
    compiler.include_imports(true).open_files(&own_names)?;
    add(&mut files, compiler.file_descriptor_set());

    write_descriptors(&out, &files)?;
    generate_types(&out, compiler.file_descriptor_set())
}

/// The folder of the package `envoy-types`, wherever cargo keeps it. Asked offline first, so that
/// a build without network works; a cold cache may lack packages that only other members need.
fn envoy_types_folder() -> Outcome<PathBuf> {
    let mut command = MetadataCommand::new();
    command.manifest_path(Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml"));
    let platform = ["--filter-platform".to_owned(), env::var("TARGET")?];
    let mut offline = command.clone();
    offline.other_options([&["--offline".to_owned()][..], &platform].concat());
    command.other_options(platform);
    let metadata = offline.exec().or_else(|_| command.exec())?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "envoy-types")
        .ok_or("cargo metadata names no package `envoy-types`, on which this crate depends")?;
    let manifest = package.manifest_path.as_std_path();
    Ok(manifest.parent().ok_or("a manifest has a folder")?.into())
}

/// Adds what is not there yet, without comments and positions.
fn add(files: &mut Files, set: FileDescriptorSet) {
    for mut file in set.file {
        file.source_code_info = None;
        files.entry(file.name().to_owned()).or_insert(file);
    }
}

/// All `.proto` files below `root`, as import paths, sorted.
fn proto_files(root: &Path) -> Outcome<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "proto")
            {
                let name = path
                    .strip_prefix(root)?
                    .to_str()
                    .ok_or("a path is not UTF-8")?;
                found.insert(name.to_owned());
            }
        }
    }
    Ok(found)
}

fn write_descriptors(out: &Path, files: &Files) -> Outcome<()> {
    let positions: BTreeMap<&str, usize> = files
        .keys()
        .enumerate()
        .map(|(position, name)| (name.as_str(), position))
        .collect();
    let mut bytes = Vec::new();
    let mut index = String::from("pub(super) static FILES: &[FileEntry] = &[\n");
    let mut messages = BTreeMap::new();
    for (position, file) in files.values().enumerate() {
        let start = bytes.len();
        file.encode(&mut bytes)?;
        let end = bytes.len();
        let imports: Vec<_> = file
            .dependency
            .iter()
            .map(|name| positions[name.as_str()])
            .collect();
        writeln!(
            index,
            "    FileEntry {{ start: {start}, end: {end}, imports: &{imports:?} }},"
        )?;
        collect_messages(file.package(), &file.message_type, position, &mut messages);
    }
    index.push_str("];\n\n/// Sorted by name.\npub(super) static MESSAGES: &[(&str, u16)] = &[\n");
    for (name, position) in &messages {
        writeln!(index, "    (\"{name}\", {position}),")?;
    }
    index.push_str("];\n");
    fs::write(out.join("descriptors.bin"), bytes)?;
    fs::write(out.join("descriptor_index.rs"), index)?;
    Ok(())
}

fn collect_messages(
    scope: &str,
    found: &[DescriptorProto],
    position: usize,
    messages: &mut BTreeMap<String, usize>,
) {
    for message in found {
        let name = format!("{scope}.{}", message.name());
        collect_messages(&name, &message.nested_type, position, messages);
        messages.insert(name, position);
    }
}

/// Rust types for our own files; Google's types are those of `envoy-types`.
fn generate_types(out: &Path, set: FileDescriptorSet) -> Outcome<()> {
    prost_build::Config::new()
        .out_dir(out)
        .enable_type_names()
        .compile_well_known_types()
        .extern_path(".google.protobuf", "::envoy_types::pb::google::protobuf")
        .compile_fds(set)?;
    Ok(())
}
