//! What `bench/budgets.toml` allows: for the tests that count, and those of the crate that measure
//! futures.

/// Fails when more was counted than the budget of that name.
pub(crate) fn within(name: &str, counted: usize) {
    let most = budget(name);
    assert!(
        counted <= most,
        "{name}: counted {counted}, the budget in bench/budgets.toml is {most}"
    );
}

fn budget(name: &str) -> usize {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/budgets.toml");
    let text = std::fs::read_to_string(file).expect("the budgets are in the tree");
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("bench/budgets.toml has no number {name}"))
}
