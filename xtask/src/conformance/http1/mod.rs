//! Set `http1`: raw requests and answers through our proxy and through the stock Envoy.
//!
//! Each row of `tests/http1/*.yaml` says what a client and an endpoint send, and what each must get.
//! Both proxies have the same configuration. Where they do not do the same, the row has to say why;
//! a reason without a difference is a failure too.

pub(super) mod bootstrap;
mod client;
pub(super) mod message;
mod origin;
mod outcome;
mod row;

use std::path::Path;

use anyhow::Context;

use self::origin::{Origin, Script};
use self::outcome::Outcome;
use self::row::Row;
use super::Case;
use super::proxy::Proxy;

pub fn run(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let rows = row::read(folder)?;
    let origins = (Origin::start()?, Origin::start()?);
    let ours = Proxy::ours(bootstrap::bootstrap(folder, origins.0.address)?)?;
    let envoy = Proxy::envoy(bootstrap::bootstrap(folder, origins.1.address)?)?;
    let (rows, origins) = (&rows, &origins);
    let (ours, envoy) = std::thread::scope(|scope| {
        let envoy = scope.spawn(|| envoy.map(|envoy| play_all(rows, &envoy, &origins.1)));
        (play_all(rows, &ours, &origins.0), envoy.join())
    });
    let envoy = envoy.expect("rows do not panic").transpose()?;
    let ours = ours?;
    Ok(rows
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let other = envoy.as_ref().map(|outcomes| &outcomes[number]);
            judge(row, &ours[number], other)
        })
        .collect())
}

fn play_all(rows: &[Row], proxy: &Proxy, origin: &Origin) -> anyhow::Result<Vec<Outcome>> {
    rows.iter().map(|row| play(row, proxy, origin)).collect()
}

fn play(row: &Row, proxy: &Proxy, origin: &Origin) -> anyhow::Result<Outcome> {
    let address = proxy.listeners.get(&row.listener);
    let address = *address.with_context(|| format!("there is no listener {:?}", row.listener))?;
    origin.begin(Script {
        answers: row.upstream.iter().map(row::Pieces::bytes).collect(),
        early: row.upstream_early,
        close: row.upstream_close,
    });
    let seen = client::play(row, address).map_err(|error| format!("{}: {error}", proxy.name));
    Ok(Outcome {
        seen,
        forwarded: origin.seen(),
    })
}

fn judge(row: &Row, ours: &Outcome, envoy: Option<&Outcome>) -> Case {
    let mut differences = ours.failures(row);
    if let Some(envoy) = envoy {
        let (own, other) = (ours.lines(), envoy.lines());
        match (&row.differs, own == other) {
            (None, false) => {
                differences.push("Envoy does something else, and the row does not say why:".into());
                differences.extend(only_in("ours ", &own, &other));
                differences.extend(only_in("Envoy", &other, &own));
            }
            (Some(_), true) => differences.push("Envoy does the same, against the note".into()),
            _ => {}
        }
    }
    Case {
        name: format!("{} ({})", row.name, row.rfc),
        differences,
    }
}

fn only_in(whose: &str, lines: &[String], others: &[String]) -> Vec<String> {
    let mut others: Vec<&String> = others.iter().collect();
    let mut list = Vec::new();
    for line in lines {
        match others.iter().position(|other| *other == line) {
            Some(at) => drop(others.remove(at)),
            None => list.push(format!("{whose} {line}")),
        }
    }
    list
}
