//! Names of which no server needs to be asked.

use super::*;
use crate::stats::Stats;

fn settings() -> NameCacheSettings {
    NameCacheSettings {
        name: "names".into(),
        family: DnsFamily::V4Only,
        refresh: Refresh {
            regular: Duration::from_mins(1),
            after_failure: None,
        },
        forgets_failures: false,
        host_ttl: Duration::from_mins(5),
        max_hosts: 2,
        max_waiting: 10,
        query_timeout: None,
        unwanted: None,
    }
}

fn cache(settings: NameCacheSettings) -> Arc<NameCache> {
    let made = NameCaches::default().cache(settings, &Stats::new(1));
    made.expect("nobody else uses it")
}

#[test]
fn an_authority_falls_into_host_and_port() {
    for (authority, expected) in [
        ("a.example", ("a.example", 80)),
        ("a.example:8080", ("a.example", 8080)),
        ("[::1]:8080", ("::1", 8080)),
        ("[::1]", ("::1", 80)),
        ("::1", ("::1", 80)),
    ] {
        assert_eq!(host_and_port(authority, 80), expected, "{authority}");
    }
}

#[tokio::test]
async fn an_address_is_found_and_then_known() {
    let cache = cache(settings());
    assert_eq!(cache.known("127.0.0.1:8080", 80), None);
    let found = cache.find("127.0.0.1:8080", 80).await.expect("an address");
    assert_eq!(found.address, SocketAddr::from(([127, 0, 0, 1], 8080)));
    assert_eq!(cache.known("127.0.0.1:8080", 80), Some(found));
    assert_eq!(cache.known("127.0.0.1", 80), None, "another port");
}

#[tokio::test]
async fn a_full_cache_takes_no_other_name() {
    let cache = cache(settings());
    for known in ["10.0.0.1", "10.0.0.2"] {
        cache.find(known, 80).await.expect("room");
    }
    assert_eq!(cache.find("10.0.0.3", 80).await, Err(NoAddress::Full));
    cache.find("10.0.0.1", 80).await.expect("it is in it");
}

#[tokio::test]
async fn only_so_many_may_wait() {
    let cache = cache(NameCacheSettings {
        max_waiting: 0,
        ..settings()
    });
    let refused = cache.find("10.0.0.1", 80).await;
    assert_eq!(refused, Err(NoAddress::TooManyWaiting));
}

/// A cache that looks names up all the time and forgets them after `host_ttl`, with one name in it.
async fn restless(host_ttl: Duration) -> Arc<NameCache> {
    let mut settings = settings();
    settings.refresh.regular = Duration::from_millis(1);
    settings.host_ttl = host_ttl;
    let cache = cache(settings);
    cache.find("10.0.0.1", 80).await.expect("room");
    cache
}

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.expect("it comes to that");
}

#[tokio::test]
async fn a_name_without_use_is_forgotten() {
    let cache = restless(Duration::ZERO).await;
    until(|| cache.stats.num_hosts().value() == 0).await;
    assert!(cache.names.read().expect("no panic").is_empty());
}

#[tokio::test]
async fn a_name_in_use_is_looked_up_again_and_again() {
    let cache = restless(Duration::from_hours(1)).await;
    until(|| cache.stats.dns_query_success().value() >= 5).await;
    assert!(cache.known("10.0.0.1", 80).is_some());
    assert_eq!(cache.stats.host_address_changed().value(), 1);
}

#[tokio::test]
async fn unwanted_addresses_are_no_answer() {
    let private = "10.0.0.0/8".parse().expect("a network");
    let only = |inverted| {
        cache(NameCacheSettings {
            unwanted: Some(UnwantedAddresses {
                networks: vec![private],
                inverted,
            }),
            ..settings()
        })
    };
    let nothing = Err(NoAddress::NotFound("address_denied".into()));
    assert_eq!(only(false).find("10.0.0.1", 80).await, nothing);
    assert!(only(true).find("10.0.0.1", 80).await.is_ok());
    assert_eq!(only(true).find("192.0.2.1", 80).await, nothing);
}

#[tokio::test]
async fn a_name_that_was_not_found_is_kept_unless_it_is_to_be_forgotten() {
    for forgets_failures in [false, true] {
        let cache = cache(NameCacheSettings {
            forgets_failures,
            query_timeout: Some(Duration::from_millis(1)),
            ..settings()
        });
        let found = cache.find("name.invalid", 80).await;
        assert!(matches!(found, Err(NoAddress::NotFound(_))), "{found:?}");
        assert_eq!(cache.stats.dns_query_failure().value(), 1);
        if forgets_failures {
            until(|| cache.stats.num_hosts().value() == 0).await;
        } else {
            assert_eq!(cache.stats.num_hosts().value(), 1);
        }
    }
}

#[test]
fn one_name_has_one_cache_with_one_set_of_settings() {
    let (caches, stats) = (NameCaches::default(), Stats::new(1));
    let first = caches.cache(settings(), &stats).expect("the first");
    let second = caches.cache(settings(), &stats).expect("alike");
    assert!(Arc::ptr_eq(&first, &second));
    let other = NameCacheSettings {
        max_hosts: 7,
        ..settings()
    };
    assert!(caches.cache(other.clone(), &stats).is_err());
    drop((first, second));
    assert!(caches.cache(other, &stats).is_ok());
}
