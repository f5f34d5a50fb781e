//! Golden cases: the objects of `golden/CASE/input.yaml`, seen by the proxies of
//! `golden/CASE/proxies.json`, give `golden/CASE/PROXY.json`.
//!
//! `FERROMESH_GOLDEN=update` writes the outputs anew; look at the difference before committing.

mod mesh;

use std::path::Path;

use serde_json::Value;

#[test]
fn golden_cases_give_what_they_gave() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = std::env::var("FERROMESH_GOLDEN").is_ok_and(|value| value == "update");
    let mut seen = 0;
    let mut wrong = Vec::new();
    for case in std::fs::read_dir(&folder).expect("the folder of golden cases") {
        let case = case.expect("a readable folder").path();
        let read =
            |name: &str| std::fs::read_to_string(case.join(name)).expect("a file of the case");
        let snapshot = mesh::snapshot(&mesh::objects(&read("input.yaml"), "input.yaml"));
        let proxies: Value = serde_json::from_str(&read("proxies.json")).expect("nodes by name");
        for (name, node) in proxies.as_object().expect("nodes by name") {
            let view = snapshot.view_of(&mesh::proxy(node));
            let capture = mesh::capture(&snapshot, &view).json();
            let text = format!("{capture:#}\n");
            let file = case.join(format!("{name}.json"));
            seen += 1;
            if update {
                std::fs::write(&file, text).expect("a writable folder");
            } else if std::fs::read_to_string(&file).unwrap_or_default() != text {
                wrong.push(file.display().to_string());
            }
        }
    }
    assert!(seen > 0, "no golden case was found");
    assert!(
        wrong.is_empty(),
        "changed (see `cargo xtask golden`): {}",
        wrong.join(", ")
    );
}

#[test]
fn golden_inputs_give_the_same_bytes_each_time() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/shop");
    let text = std::fs::read_to_string(folder.join("input.yaml")).expect("the case");
    let nodes = std::fs::read_to_string(folder.join("proxies.json")).expect("the case");
    let nodes: Value = serde_json::from_str(&nodes).expect("nodes by name");
    for node in nodes.as_object().expect("nodes by name").values() {
        let versions = || {
            let snapshot = mesh::snapshot(&mesh::objects(&text, "input.yaml"));
            let capture = mesh::capture(&snapshot, &snapshot.view_of(&mesh::proxy(node)));
            let all = [
                capture.clusters,
                capture.endpoints,
                capture.listeners,
                capture.routes,
            ];
            all.concat()
                .into_iter()
                .map(|r| (r.name, r.version))
                .collect::<Vec<_>>()
        };
        assert_eq!(versions(), versions());
    }
}
