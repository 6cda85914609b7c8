//! Redis behind caches: two stores with a tier of their own each are two processes. On each kind of server.

mod away;
mod cluster;
mod fences;
mod proxy;
mod shared;

use std::any::Any;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use larder::{Cache, CacheBuilder, How, RedisTier, RedisTierBuilder, Store};

use crate::differential::server::Server;
use crate::support::until;

const LONG: Duration = Duration::from_secs(60);

/// A server of one kind or another, for one test.
struct Redis {
    what: String,
    address: SocketAddr,
    _server: Box<dyn Any>,
}

impl Redis {
    /// One of each kind that there is, and a store that is served.
    fn each() -> Vec<Redis> {
        let real = |server: Server| Redis {
            what: format!("port {}", server.port()),
            address: (Ipv4Addr::LOCALHOST, server.port()).into(),
            _server: Box::new(server),
        };
        Server::each().into_iter().map(real).chain([Redis::own()]).collect()
    }

    fn client(&self) -> redis::Client {
        client(self.address)
    }

    fn connection(&self) -> redis::Connection {
        self.client().get_connection().unwrap()
    }

    fn process(&self) -> Process {
        Process::on(self.address)
    }

    /// Returns when these have heard of all that was changed until now.
    #[track_caller]
    fn heard_by(&self, processes: &[&Process]) {
        const SIGN: u64 = 777_777;
        for process in processes {
            process.names.insert(&SIGN, "a sign".to_owned()).unwrap();
            process.flush();
            redis::cmd("DEL").arg(format!("larder:v:names:{SIGN}")).exec(&mut self.connection()).unwrap();
            process.until_it_has_not(SIGN);
        }
    }

    fn processes<const N: usize>(&self) -> [Process; N] {
        std::array::from_fn(|_| self.process())
    }

    /// A store that is served, where the kinds cannot differ.
    fn own() -> Redis {
        let own = Store::new().serve().unwrap();
        Redis { what: "larder".to_owned(), address: own.addr(), _server: Box::new(own) }
    }
}

fn client(address: SocketAddr) -> redis::Client {
    redis::Client::open(format!("redis://{address}")).unwrap()
}

/// What a process has: a tier, and a cache of a store of its own.
struct Process {
    names: Cache<u64, String>,
    store: Store,
    tier: RedisTier,
}

impl Process {
    fn on(address: SocketAddr) -> Self {
        Process::with(calm(address), |cache| cache)
    }

    fn with(
        tier: RedisTierBuilder,
        cache: impl FnOnce(CacheBuilder<u64, String>) -> CacheBuilder<u64, String>,
    ) -> Self {
        let tier = tier.open();
        let store = Store::new();
        // Longer than anybody waits for it to go.
        let names =
            cache(super::cache(&store).ttl(60 * super::MINUTE).shared()).second_level(&tier).build().unwrap();
        Process { names, store, tier }
    }

    /// Asks, and has what was handed over done.
    fn get(&self, key: u64, loader: impl FnOnce() -> Result<String, String>) -> (String, How) {
        let answer = self.names.ask(&key, |_| loader()).unwrap();
        self.flush();
        (answer.value.as_deref().cloned().unwrap_or_default(), answer.how)
    }

    #[track_caller]
    fn flush(&self) {
        assert!(self.tier.flush(LONG), "Redis has all");
    }

    #[track_caller]
    fn until_it_has_not(&self, key: u64) {
        until("message", || self.names.peek(&key).unwrap().is_none());
    }
}

/// On a machine that has much to do an answer takes its time.
fn calm(address: SocketAddr) -> RedisTierBuilder {
    RedisTier::builder(client(address)).timeout(Duration::from_secs(20))
}

/// One that does not wait for long: for a Redis that goes away.
fn hasty(address: SocketAddr) -> RedisTierBuilder {
    RedisTier::builder(client(address)).timeout(Duration::from_secs(5)).retry_after(Duration::from_millis(20))
}
