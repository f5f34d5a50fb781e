//! The front end of the shop: it calls the catalog and the forum and passes trace headers on.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;

use crate::client::{Client, forwarded};
use crate::server::{self, Answer, Call};

/// Settings of the front end.
#[derive(clap::Args)]
pub(crate) struct Settings {
    /// Where to listen.
    #[arg(long, env = "LISTEN_ADDR", default_value = "0.0.0.0:8080")]
    listen: String,
    /// The catalog's host.
    #[arg(
        long,
        env = "CATALOG_SERVICE_HOST",
        default_value = "catalog.istioinaction"
    )]
    catalog_host: String,
    /// The catalog's port.
    #[arg(long, env = "CATALOG_SERVICE_PORT", default_value = "80")]
    catalog_port: String,
    /// The forum's host.
    #[arg(
        long,
        env = "FORUM_SERVICE_HOST",
        default_value = "forum.istioinaction"
    )]
    forum_host: String,
    /// The forum's port.
    #[arg(long, env = "FORUM_SERVICE_PORT", default_value = "80")]
    forum_port: String,
    /// Do not pass any header on.
    #[arg(long)]
    no_forward: bool,
}

struct Webapp {
    client: Client,
    catalog: String,
    forum: String,
    forward: bool,
}

const NO_CATALOG: &str = "error calling Catalog service";
const NO_FORUM: &str = "error calling Forum service";
const TEXT: &str = "text/plain; charset=utf-8";

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let webapp = Arc::new(Webapp {
        client: Client::default(),
        catalog: format!("http://{}:{}", settings.catalog_host, settings.catalog_port),
        forum: format!("http://{}:{}", settings.forum_host, settings.forum_port),
        forward: !settings.no_forward,
    });
    server::serve(&settings.listen, move |call| {
        let webapp = Arc::clone(&webapp);
        async move { webapp.answer(call).await }
    })
    .await
}

impl Webapp {
    async fn answer(&self, call: Call) -> Answer {
        let (parts, body) = call.request.into_parts();
        let headers = self.headers(&parts.headers);
        match (parts.method, parts.uri.path()) {
            (Method::GET, "/api/healthz") => server::reply(StatusCode::OK, TEXT, "Healthy!"),
            (Method::GET, "/api/catalog") => {
                self.relay(&format!("{}/items", self.catalog), &headers, NO_CATALOG)
                    .await
            }
            (Method::POST, "/api/catalog/items") => {
                self.add(&headers, server::read_body(body).await).await
            }
            (Method::GET, path) if path.starts_with("/api/catalog/items/") => {
                let id = path.rsplit('/').next().unwrap_or_default();
                if id.parse::<u64>().is_err() {
                    return server::reply(StatusCode::NOT_FOUND, TEXT, "404 page not found\n");
                }
                self.relay(
                    &format!("{}/items/{id}", self.catalog),
                    &headers,
                    NO_CATALOG,
                )
                .await
            }
            (Method::GET, "/api/users") => {
                self.relay(&format!("{}/api/users", self.forum), &headers, NO_FORUM)
                    .await
            }
            (Method::GET, "/") => self.page(&headers).await,
            _ => server::reply(StatusCode::NOT_FOUND, TEXT, "404 page not found\n"),
        }
    }

    fn headers(&self, incoming: &HeaderMap) -> HeaderMap {
        let mut headers = if self.forward {
            forwarded(incoming)
        } else {
            HeaderMap::new()
        };
        headers.insert(header::USER_AGENT, HeaderValue::from_static("beegoServer"));
        headers
    }

    /// The original does not look at the status, only whether the body is JSON.
    async fn fetch(&self, url: &str, headers: &HeaderMap) -> Option<Value> {
        let fetched = self
            .client
            .fetch(Method::GET, url, headers, Bytes::new())
            .await
            .ok()?;
        serde_json::from_slice(&fetched.body).ok()
    }

    async fn relay(&self, url: &str, headers: &HeaderMap, failure: &'static str) -> Answer {
        match self.fetch(url, headers).await {
            Some(mut value) => {
                drop_empty_images(&mut value);
                let content_type = "application/json; charset=utf-8";
                server::reply(StatusCode::OK, content_type, value.to_string())
            }
            None => server::reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, failure),
        }
    }

    async fn add(&self, headers: &HeaderMap, body: Bytes) -> Answer {
        if !serde_json::from_slice::<Value>(&body).is_ok_and(|item| item.is_object()) {
            return server::reply(StatusCode::BAD_REQUEST, TEXT, "Invalid CatalogItem");
        }
        let url = format!("{}/items", self.catalog);
        let mut headers = headers.clone();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        match self.client.fetch(Method::POST, &url, &headers, body).await {
            Ok(fetched) if fetched.status == StatusCode::CREATED => {
                server::reply(StatusCode::CREATED, TEXT, "")
            }
            _ => server::reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, NO_CATALOG),
        }
    }

    async fn page(&self, headers: &HeaderMap) -> Answer {
        let items = self
            .fetch(&format!("{}/items", self.catalog), headers)
            .await;
        let users = self
            .fetch(&format!("{}/api/users", self.forum), headers)
            .await;
        let page = format!(
            "<!doctype html><title>Coolstore</title><h1>Coolstore</h1><h2>Catalog</h2>{}<h2>Users</h2>{}\n",
            listing(items.as_ref(), "The catalog is currently not available."),
            listing(users.as_ref(), "The forum is currently not available."),
        );
        server::reply(StatusCode::OK, "text/html; charset=utf-8", page)
    }
}

/// Up to four names.
fn listing(values: Option<&Value>, missing: &str) -> String {
    let Some(list) = values.and_then(Value::as_array) else {
        return format!("<p>{missing}</p>");
    };
    let names = list
        .iter()
        .take(4)
        .filter_map(|value| value["name"].as_str());
    let rows: String = names
        .map(|name| format!("<li>{}</li>", escaped(name)))
        .collect();
    format!("<ul>{rows}</ul>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn drop_empty_images(value: &mut Value) {
    let each = |item: &mut Value| {
        if let Some(item) = item.as_object_mut()
            && item
                .get("imageUrl")
                .is_some_and(|url| url.as_str() == Some(""))
        {
            item.remove("imageUrl");
        }
    };
    match value {
        Value::Array(items) => items.iter_mut().for_each(each),
        other => each(other),
    }
}
