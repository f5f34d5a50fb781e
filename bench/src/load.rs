//! HTTP/1.1 requests at a fixed rate over kept connections, each answer looked at.
//!
//! Each connection has its own schedule, so that a slow answer delays only its own connection, and
//! its latency counts from the time at which the request was due (no coordinated omission).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What to send where.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address to connect to.
    pub address: SocketAddr,
    /// The `Host` header.
    pub host: String,
    /// The path to ask for.
    pub path: String,
}

/// How much to send.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Kept connections.
    pub connections: usize,
    /// Requests a second, over all connections; 0 is as fast as answers come.
    pub rate: u32,
    /// Stop after this long.
    pub duration: Duration,
    /// Stop after this many requests.
    pub requests: usize,
}

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Requests that were sent.
    pub sent: usize,
    /// Requests without an answer of status 2xx.
    pub failed: usize,
    /// What went wrong, with counts; at most [`REASONS`] different texts.
    pub reasons: Vec<(String, usize)>,
    /// Answers whose body contains the marker.
    pub marked: usize,
    /// Latencies in microseconds, sorted.
    pub latencies: Vec<u64>,
}

/// How many different failure texts are kept.
pub const REASONS: usize = 8;

/// No answer may take longer.
const LONGEST_ANSWER: Duration = Duration::from_secs(15);

impl Outcome {
    /// The latency below which `share` (0 to 1) of the answers stay, in milliseconds.
    pub fn percentile_ms(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies
            .get(index)
            .map_or(0.0, |micros| *micros as f64 / 1000.0)
    }

    fn fail(&mut self, reason: String) {
        self.failed += 1;
        self.count(reason, 1);
    }

    fn count(&mut self, reason: String, times: usize) {
        if let Some((_, known)) = self.reasons.iter_mut().find(|(known, _)| *known == reason) {
            *known += times;
        } else if self.reasons.len() < REASONS {
            self.reasons.push((reason, times));
        }
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.failed += other.failed;
        self.marked += other.marked;
        self.latencies.extend(other.latencies);
        for (reason, times) in other.reasons {
            self.count(reason, times);
        }
    }
}

/// Sends the requests; ends early when `stop` is set.
pub async fn run(target: Target, plan: Plan, marker: &str, stop: Arc<AtomicBool>) -> Outcome {
    let mut connections = JoinSet::new();
    let share = plan.requests.div_ceil(plan.connections.max(1));
    let interval = (plan.rate > 0)
        .then(|| Duration::from_secs_f64(plan.connections as f64 / f64::from(plan.rate)));
    for index in 0..plan.connections {
        let offset = interval.map_or(Duration::ZERO, |interval| {
            interval.mul_f64(index as f64 / plan.connections as f64)
        });
        let driver = Driver {
            target: target.clone(),
            marker: marker.to_owned(),
            stop: Arc::clone(&stop),
            share,
            interval,
            end: Instant::now() + plan.duration,
        };
        connections.spawn(async move {
            tokio::time::sleep(offset).await;
            driver.run().await
        });
    }
    let mut total = Outcome::default();
    while let Some(ended) = connections.join_next().await {
        match ended {
            Ok(outcome) => total.add(outcome),
            Err(error) => total.fail(format!("the driver failed: {error}")),
        }
    }
    total.latencies.sort_unstable();
    total
}

struct Driver {
    target: Target,
    marker: String,
    stop: Arc<AtomicBool>,
    share: usize,
    interval: Option<Duration>,
    end: Instant,
}

type Sender = SendRequest<Empty<Bytes>>;

impl Driver {
    async fn run(self) -> Outcome {
        let mut outcome = Outcome::default();
        let mut kept: Option<Sender> = None;
        let mut due = Instant::now();
        while outcome.sent < self.share && !self.stop.load(Ordering::Relaxed) && due < self.end {
            if let Some(interval) = self.interval {
                tokio::time::sleep_until(due.into()).await;
                outcome.sent += 1;
                self.one(&mut kept, due, &mut outcome).await;
                due += interval;
            } else {
                due = Instant::now();
                outcome.sent += 1;
                self.one(&mut kept, due, &mut outcome).await;
            }
        }
        outcome
    }

    async fn one(&self, kept: &mut Option<Sender>, due: Instant, outcome: &mut Outcome) {
        let asking = tokio::time::timeout(LONGEST_ANSWER, self.ask(kept));
        match asking.await {
            Ok(Ok((status, body))) => {
                outcome.latencies.push(due.elapsed().as_micros() as u64);
                if !status.is_success() {
                    outcome.fail(format!("status {status}"));
                } else if contains(&body, self.marker.as_bytes()) {
                    outcome.marked += 1;
                }
            }
            Ok(Err(reason)) => {
                *kept = None;
                outcome.fail(reason);
            }
            Err(_) => {
                *kept = None;
                outcome.fail("no answer in time".to_owned());
            }
        }
    }

    /// One request. A connection that the other side closed while idle is replaced first: that is
    /// what every client does, and no failure.
    async fn ask(&self, kept: &mut Option<Sender>) -> Result<(StatusCode, Bytes), String> {
        let mut sender = self.kept_or_new(kept).await?;
        let request = Request::get(&self.target.path)
            .header(header::HOST, &self.target.host)
            .header(header::USER_AGENT, "ferromesh-load")
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        let response = match sender.send_request(request).await {
            Ok(response) => response,
            Err(error) => return Err(format!("no answer: {error}")),
        };
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body
            .map_err(|error| format!("cut off: {error}"))?
            .to_bytes();
        if !sender.is_closed() {
            *kept = Some(sender);
        }
        Ok((status, body))
    }

    async fn kept_or_new(&self, kept: &mut Option<Sender>) -> Result<Sender, String> {
        if let Some(mut idle) = kept.take()
            && idle.ready().await.is_ok()
        {
            return Ok(idle);
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<Sender, String> {
        let stream = TcpStream::connect(self.target.address)
            .await
            .map_err(|error| format!("cannot connect: {error}"))?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

fn contains(body: &[u8], marker: &[u8]) -> bool {
    !marker.is_empty() && body.windows(marker.len()).any(|window| window == marker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up_with_their_reasons() {
        let mut total = Outcome::default();
        let mut part = Outcome {
            sent: 3,
            ..Outcome::default()
        };
        part.fail("status 503".to_owned());
        part.fail("status 503".to_owned());
        total.add(part.clone());
        total.add(part);
        assert_eq!((total.sent, total.failed), (6, 4));
        assert_eq!(total.reasons, [("status 503".to_owned(), 4)]);
    }
}
