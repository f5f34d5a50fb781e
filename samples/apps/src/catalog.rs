//! The catalog of the shop. Version 2 is the same program with `SHOW_IMAGE` set.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::server::{self, Answer, Call};

/// Settings of the catalog.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:3000")]
    listen: String,
    /// Anything: each item then has an image (this is what makes version 2).
    #[arg(long, env = "SHOW_IMAGE", default_value = "")]
    show_image: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Item {
    id: u64,
    color: String,
    department: String,
    name: String,
    price: String,
    #[serde(rename = "imageUrl", skip_serializing_if = "Option::is_none", default)]
    image_url: Option<String>,
}

/// A fault that a user has switched on.
#[derive(Clone, Serialize, Deserialize)]
struct Blowup {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    active: bool,
    #[serde(default = "hundred")]
    percentage: u32,
    #[serde(rename = "latencyMs", default = "thousand")]
    latency_ms: u64,
    #[serde(default)]
    volatile: bool,
}

fn hundred() -> u32 {
    100
}

fn thousand() -> u64 {
    1000
}

struct Catalog {
    items: Mutex<Vec<Item>>,
    blowups: Mutex<BTreeMap<String, Blowup>>,
    show_image: bool,
}

const JSON: &str = "application/json; charset=utf-8";

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let catalog = Arc::new(Catalog {
        items: Mutex::new(first_items()),
        blowups: Mutex::default(),
        show_image: !settings.show_image.is_empty(),
    });
    server::serve(&settings.listen, move |call| {
        let catalog = Arc::clone(&catalog);
        async move { catalog.answer(call).await }
    })
    .await
}

fn first_items() -> Vec<Item> {
    [
        (1, "amber", "Eyewear", "Elinor Glasses", "282.00"),
        (2, "cyan", "Clothing", "Atlas Shirt", "127.00"),
        (3, "teal", "Clothing", "Small Metal Shoes", "232.00"),
        (4, "red", "Watches", "Red Dragon Watch", "232.00"),
    ]
    .map(|(id, color, department, name, price)| Item {
        id,
        color: color.to_owned(),
        department: department.to_owned(),
        name: name.to_owned(),
        price: price.to_owned(),
        image_url: None,
    })
    .to_vec()
}

impl Catalog {
    async fn answer(&self, call: Call) -> Answer {
        let (parts, body) = call.request.into_parts();
        let path = parts.uri.path().trim_end_matches('/').to_owned();
        if path.contains("items")
            && let Some(fault) = self.blow_up().await
        {
            return fault;
        }
        match (parts.method, path.as_str()) {
            (Method::GET, "/items") => self.items(),
            (Method::POST, "/items") => self.add(&server::read_body(body).await),
            (Method::GET, path) if path.starts_with("/items/") => self.item(&path[7..]),
            (Method::GET, "/blowup") => {
                let blowups = self.blowups.lock().expect("no holder panics").clone();
                with_headers(StatusCode::OK, pretty(&blowups))
            }
            (Method::POST, "/blowup") => self.switch(&server::read_body(body).await, true),
            (Method::DELETE, "/blowup") => self.switch(&server::read_body(body).await, false),
            _ => with_headers(StatusCode::NOT_FOUND, "Not Found".to_owned()),
        }
    }

    /// Images, once added, stay: version 2 shows them on every item.
    fn dressed(&self) -> Vec<Item> {
        let mut items = self.items.lock().expect("no holder panics");
        if self.show_image {
            for item in items.iter_mut() {
                let name = item.name.to_lowercase().replace(' ', "-");
                item.image_url = Some(format!("http://images.example.com/{name}.png"));
            }
        }
        items.clone()
    }

    fn items(&self) -> Answer {
        with_headers(StatusCode::OK, pretty(&self.dressed()))
    }

    fn item(&self, id: &str) -> Answer {
        match self
            .dressed()
            .into_iter()
            .find(|item| item.id.to_string() == id)
        {
            Some(item) => with_headers(StatusCode::OK, pretty(&item)),
            None => with_headers(StatusCode::NOT_FOUND, "Not Found".to_owned()),
        }
    }

    fn add(&self, body: &[u8]) -> Answer {
        let Ok(mut item) = serde_json::from_slice::<Value>(body) else {
            return with_headers(StatusCode::BAD_REQUEST, "Bad Request".to_owned());
        };
        let mut items = self.items.lock().expect("no holder panics");
        item["id"] = json!(items.iter().map(|item| item.id).max().unwrap_or(4) + 1);
        match serde_json::from_value(item) {
            Ok(item) => {
                items.push(item);
                with_headers(StatusCode::CREATED, String::new())
            }
            Err(_) => with_headers(StatusCode::BAD_REQUEST, "Bad Request".to_owned()),
        }
    }

    fn switch(&self, body: &[u8], on: bool) -> Answer {
        let Ok(blowup) = serde_json::from_slice::<Blowup>(body) else {
            return with_headers(StatusCode::BAD_REQUEST, "Bad Request".to_owned());
        };
        let mut blowups = self.blowups.lock().expect("no holder panics");
        if on {
            blowups.insert(blowup.kind.clone(), blowup);
        } else {
            blowups.remove(&blowup.kind);
        }
        with_headers(StatusCode::OK, pretty(&*blowups))
    }

    async fn blow_up(&self) -> Option<Answer> {
        let active: Vec<Blowup> = {
            let blowups = self.blowups.lock().expect("no holder panics");
            blowups
                .values()
                .filter(|blowup| blowup.active)
                .cloned()
                .collect()
        };
        for blowup in active {
            match blowup.kind.as_str() {
                "latency" => {
                    let longest = blowup.latency_ms;
                    let wait = if blowup.volatile {
                        fastrand::u64(0..=longest)
                    } else {
                        longest
                    };
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                "500" if fastrand::u32(0..100) <= blowup.percentage => {
                    return Some(with_headers(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        String::new(),
                    ));
                }
                "drop" => return Some(Answer::Drop),
                _ => {}
            }
        }
        None
    }
}

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("these values always serialise")
}

fn with_headers(status: StatusCode, body: String) -> Answer {
    let tag = format!("W/\"{:x}-{:x}\"", body.len(), checksum(body.as_bytes()));
    let mut response = server::response(status, JSON, body);
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-powered-by", "Express"),
        ("vary", "Origin, Accept-Encoding"),
        ("access-control-allow-credentials", "true"),
        ("cache-control", "no-cache"),
        ("pragma", "no-cache"),
        ("expires", "-1"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert("etag", tag);
    }
    Answer::Reply(response)
}

/// A weak tag needs to change when the body does, no more (FNV-1a).
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_one_has_the_length_that_the_book_shows() {
        assert_eq!(pretty(&first_items()).len(), 502);
        let compact = serde_json::to_string(&first_items()).expect("items serialise");
        assert_eq!(compact.len(), 357);
    }
}
