//! Keeps the certificate fresh.
//!
//! State: one published pointer, written only here. The wait until the next renewal is the part of
//! the lifetime that is not held in reserve, with jitter so that a mesh does not renew in waves.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ferromesh_runtime::{Backoff, Published, Publisher};
use ferromesh_tls::SecretStore;
use tokio::sync::watch;
use tracing::{info, warn};

use super::{CertificateAuthority, WorkloadCertificate};
use crate::settings::CertificateSettings;

/// The waits after a failed renewal. The cap is short: without its first certificate a pod is not
/// ready, and half of a lifetime is left for all later ones.
const RETRY_BASE: Duration = Duration::from_millis(100);
const RETRY_CAP: Duration = Duration::from_secs(10);
/// Files from elsewhere are looked at this often.
const FILE_INTERVAL: Duration = Duration::from_secs(5);

/// When a certificate is renewed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Renewal {
    /// Part of the lifetime that is kept as a reserve.
    pub grace_ratio: f64,
    /// How far the reserve may be off to either side.
    pub grace_jitter: f64,
}

impl Renewal {
    /// The wait from `received` for a certificate that ends at `not_after`; `unit` is random in
    /// `0.0..1.0`.
    pub fn wait(&self, received: SystemTime, not_after: i64, unit: f64) -> Duration {
        let received = received.duration_since(UNIX_EPOCH).unwrap_or_default();
        let end = Duration::from_secs(u64::try_from(not_after).unwrap_or_default());
        let lifetime = end.saturating_sub(received);
        let reserve = self.grace_ratio + self.grace_jitter * (2.0 * unit - 1.0);
        lifetime.mul_f64(1.0 - reserve.clamp(0.0, 1.0))
    }
}

/// Owner of the workload's certificate.
#[derive(Debug)]
pub struct CertificateKeeper {
    settings: CertificateSettings,
    authority: CertificateAuthority,
    store: SecretStore,
    current: Publisher<Option<Arc<WorkloadCertificate>>>,
    rotate: watch::Receiver<u64>,
    rotate_sender: watch::Sender<u64>,
}

impl CertificateKeeper {
    /// Nothing is issued yet; each certificate will also be put into `store`.
    pub fn new(settings: CertificateSettings, store: SecretStore) -> Self {
        let (rotate_sender, rotate) = watch::channel(0);
        Self {
            authority: CertificateAuthority::new(settings.clone()),
            settings,
            store,
            current: Publisher::new(None),
            rotate,
            rotate_sender,
        }
    }

    /// The current certificate, for readers.
    pub fn reader(&self) -> Published<Option<Arc<WorkloadCertificate>>> {
        self.current.reader()
    }

    /// Ask for a renewal before its time through this.
    pub fn rotate_now(&self) -> watch::Sender<u64> {
        self.rotate_sender.clone()
    }

    /// Runs for as long as the process does.
    pub async fn run(mut self) -> Result<(), std::convert::Infallible> {
        let mounted = self.settings.mounted.clone();
        if let Some(folder) = mounted
            .iter()
            .find(|folder| folder.join("key.pem").is_file())
        {
            info!(folder = %folder.display(), "using the certificate that is mounted there");
            return self.follow_files(folder).await;
        }
        let mut backoff = Backoff::new(RETRY_BASE, RETRY_CAP);
        loop {
            let wait = match self.authority.issue().await {
                Ok(certificate) => {
                    backoff.reset();
                    self.accept(certificate)
                }
                Err(error) => {
                    let wait = backoff.next_random();
                    warn!(%error, retry_in = ?wait, "no new workload certificate");
                    wait
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // The sender lives in `self`, so this resolves only on a wish.
                _ = self.rotate.changed() => {}
            }
        }
    }

    /// Puts a new certificate in force; returns the time until the next.
    fn accept(&self, certificate: WorkloadCertificate) -> Duration {
        let renewal = Renewal {
            grace_ratio: self.settings.grace_ratio,
            grace_jitter: self.settings.grace_jitter,
        };
        let wait = renewal.wait(certificate.received, certificate.not_after, fastrand::f64());
        if let Err(error) = certificate.publish(&self.store) {
            warn!(%error, "the new workload certificate cannot be used");
            return RETRY_CAP;
        }
        if let Some(folder) = &self.settings.output
            && let Err(error) = write_out(folder, &certificate)
        {
            warn!(folder = %folder.display(), %error, "cannot write the certificate out");
        }
        info!(spiffe_id = self.settings.spiffe_id, renew_in = ?wait, "workload certificate in force");
        self.current.publish(Arc::new(Some(Arc::new(certificate))));
        // A certificate that has ended already must not be asked for in a tight loop.
        wait.max(Duration::from_secs(1))
    }

    async fn follow_files(&self, folder: &Path) -> Result<(), std::convert::Infallible> {
        let mut interval = tokio::time::interval(FILE_INTERVAL);
        loop {
            interval.tick().await;
            match read_in(folder) {
                Ok(certificate) if self.is_new(&certificate) => {
                    self.accept(certificate);
                }
                Ok(_) => {}
                Err(error) => warn!(folder = %folder.display(), %error, "cannot read it"),
            }
        }
    }

    fn is_new(&self, certificate: &WorkloadCertificate) -> bool {
        let current = self.current.current();
        current.as_ref().as_ref().is_none_or(|held| {
            (&held.chain, &held.key, &held.roots)
                != (&certificate.chain, &certificate.key, &certificate.roots)
        })
    }
}

fn read_in(folder: &Path) -> io::Result<WorkloadCertificate> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name));
    let (chain, key) = (read("cert-chain.pem")?, read("key.pem")?);
    WorkloadCertificate::new(chain, key, read("root-cert.pem")?, SystemTime::now())
        .map_err(io::Error::other)
}

fn write_out(folder: &Path, certificate: &WorkloadCertificate) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::create_dir_all(folder)?;
    for (name, content) in [
        ("cert-chain.pem", &certificate.chain),
        ("key.pem", &certificate.key),
        ("root-cert.pem", &certificate.roots),
    ] {
        let temporary = folder.join(format!(".{name}.new"));
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content.as_bytes())?;
        std::fs::rename(&temporary, folder.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewal_comes_at_half_of_the_lifetime_give_or_take_the_jitter() {
        let renewal = Renewal {
            grace_ratio: 0.5,
            grace_jitter: 0.01,
        };
        let received = UNIX_EPOCH + Duration::from_secs(1000);
        let wait = |unit| renewal.wait(received, 2000, unit).as_secs_f64();
        assert!((wait(0.5) - 500.0).abs() < 0.001);
        assert!((wait(0.0) - 510.0).abs() < 0.001);
        assert!((wait(1.0) - 490.0).abs() < 0.001);
        assert_eq!(renewal.wait(received, 500, 0.5), Duration::ZERO);
    }

    #[test]
    fn what_is_written_out_can_be_read_in_again() {
        let made = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("made");
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let now = SystemTime::now();
        let certificate = WorkloadCertificate::new(chain.clone(), key, chain, now).expect("usable");
        let folder = tempfile::tempdir().expect("a folder");
        write_out(folder.path(), &certificate).expect("written");
        let read = read_in(folder.path()).expect("read");
        assert_eq!(read.chain, certificate.chain);
        assert_eq!(read.not_after, certificate.not_after);
    }
}
